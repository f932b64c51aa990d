//! What becomes of one record of the source, given what the target holds
//! under its key.

use repo_core::strategy::{Applied, Record};
use repo_core::{Result, Version};

use crate::OnConflict;
use crate::verify::report::Depth;

/// What is to be done with a record of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is applied; the target has no record under its key.
    Add(Record),
    /// It is applied over the target's older record.
    Replace(Record),
    /// It is applied over a record of the same or a higher version, under a
    /// version above that.
    Raise(Record),
    /// The target holds the same.
    Equal,
    /// The target holds a higher version, which stays.
    Older,
    /// The target holds other content, which stays: under the same version, or
    /// where the source's version says nothing.
    Diverged,
}

/// Decides about a record, by what is compared of it.
///
/// # Errors
/// `LimitExceeded` when the target's version cannot be raised.
pub(crate) fn decide(
    source: &Record,
    target: Option<&Record>,
    on_conflict: OnConflict,
    depth: Depth,
) -> Result<Decision> {
    let Some(target) = target else { return Ok(Decision::Add(source.clone())) };
    let compared = match (depth.has_versions(), source.same_but_for_version(target)) {
        (true, _) => source.compare_to_stored(Some(target)),
        (false, true) => Applied::Equal,
        (false, false) => Applied::Diverged,
    };
    Ok(match compared {
        Applied::Applied => Decision::Replace(source.clone()),
        Applied::Equal => Decision::Equal,
        // Raising a version over equal content would repeat itself with every
        // run.
        Applied::Older | Applied::Diverged
            if on_conflict == OnConflict::Overwrite && !source.same_but_for_version(target) =>
        {
            Decision::Raise(with_version(source, target.version().next()?))
        }
        Applied::Older => Decision::Older,
        Applied::Diverged => Decision::Diverged,
    })
}

fn with_version(record: &Record, version: Version) -> Record {
    let mut record = record.clone();
    match &mut record {
        Record::Live(entity) => entity.version = version,
        Record::Tombstone(tombstone) => tombstone.version = version,
    }
    record
}
