//! Whether source and target are one store under two names.
//!
//! What can be known without a write comes first: the systems that keep the
//! stores, then the ids that the stores keep themselves. A copy has the id of
//! the store that it was copied from, so where nothing else decides a mark
//! does: written through one side, and looked for through the other.

use repo_core::strategy::{
    JobFingerprint, JobId, JobKind, PhysicalIdentity, Sameness, StoreId, StoreRecord, StoreUpdate,
    UnfinishedJob,
};
use repo_core::{Error, ErrorKind, Result};

use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// What is known of both sides without a write.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) sameness: Sameness,
    /// The id that both carry.
    pub(crate) shared_id: Option<StoreId>,
    /// In what way the source is bound to another store.
    pub(crate) source_is_replica: Option<String>,
}

impl Evidence {
    /// Looks at both sides.
    pub(crate) async fn read(source: &StoreReference, target: &StoreReference) -> Result<Self> {
        let (ours, theirs) = (source.physical_identity().await?, target.physical_identity().await?);
        let (source_record, target_record) = (source.record().await?, target.record().await?);
        let ids = source_record.id.zip(target_record.id);
        let sameness = match compare(source, target, ours.as_ref(), theirs.as_ref()) {
            Sameness::Undecided if ids.is_some_and(|(a, b)| a != b) => Sameness::Different,
            // The same store would show what the source shows.
            Sameness::Undecided if holds_nothing(&target_record) => Sameness::Different,
            sameness => sameness,
        };
        Ok(Self {
            sameness,
            shared_id: ids.filter(|(a, b)| a == b).map(|(id, _)| id),
            source_is_replica: ours.and_then(|found| found.replicated().map(str::to_owned)),
        })
    }

    /// Refuses one store as both sides.
    ///
    /// # Errors
    /// `ConfigInvalid`, with both names.
    pub(crate) fn refuse_same(
        &self,
        source: &StoreReference,
        target: &StoreReference,
        operation: &'static str,
    ) -> Result<()> {
        match self.sameness {
            Sameness::Same => Err(same_store(source, target, operation)),
            _ => Ok(()),
        }
    }

    /// Refuses to empty a source that another store follows, or that follows
    /// one: what is deleted here may vanish from the target too.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(crate) fn refuse_replica(
        &self,
        source: &StoreReference,
        operation: &'static str,
    ) -> Result<()> {
        let Some(words) = &self.source_is_replica else { return Ok(()) };
        Err(source
            .err(Error::new(
                ErrorKind::Unsupported,
                operation,
                format!("this source is never cleaned up: it is {words}"),
            ))
            .remedy(Remedy::NoCleanUp))
    }
}

fn compare(
    source: &StoreReference,
    target: &StoreReference,
    ours: Option<&PhysicalIdentity>,
    theirs: Option<&PhysicalIdentity>,
) -> Sameness {
    if source.location() == target.location() {
        return Sameness::Same;
    }
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.compare(theirs),
        _ => Sameness::Undecided,
    }
}

fn holds_nothing(record: &StoreRecord) -> bool {
    record.id.is_none() && record.collections.is_empty()
}

/// The refusal of one store as both sides.
pub(crate) fn same_store(
    source: &StoreReference,
    target: &StoreReference,
    operation: &'static str,
) -> Error {
    let error =
        Error::new(ErrorKind::ConfigInvalid, operation, "source and target are the same store")
            .with("store", source.location());
    let error = match source.location() == target.location() {
        true => error,
        false => error.with("also_named", target.location()),
    };
    error.hint("nothing was changed in it; name another target")
}

/// Writes a mark through `through`, and looks for it through `seen_by` over a
/// connection of its own. Whether it was found: then both are one store. The
/// mark is gone afterwards; one that is left by a killed run hinders nothing.
///
/// # Errors
/// `Locked` when something is unfinished in the marked store, or another run
/// has written there meanwhile: nothing is decided then. What either side
/// refuses.
pub(crate) async fn is_seen(through: &StoreReference, seen_by: &StoreReference) -> Result<bool> {
    let fingerprint = JobFingerprint::new(StoreId::random()?.to_string())?;
    let mark = JobId::new(JobKind::Mark, fingerprint);
    let progress = format!("{{\"looked_for_through\":{:?}}}", seen_by.location());
    let job = Some(UnfinishedJob::new(mark.clone(), progress)?);
    through.update(StoreUpdate::Job { expected: None, job }).await?;
    let seen = seen_by.unfinished_job_afresh().await;
    let removal = StoreUpdate::Job { expected: Some(mark.clone()), job: None };
    let removed = through.update(removal).await;
    let seen = seen?.is_some_and(|seen| *seen.id() == mark);
    // One that was replaced while it was looked for may have been there: only
    // having found it decides then.
    if !seen {
        removed?;
    }
    Ok(seen)
}

/// Gives a copy of a store an id of its own, where both sides carry one.
///
/// # Errors
/// What the target refuses; `Locked` when another run is at work on it.
pub(crate) async fn give_own_id(target: &StoreReference, shared: StoreId) -> Result<StoreId> {
    let id = StoreId::random()?;
    target.update(StoreUpdate::Id { expected: shared, id }).await?;
    Ok(id)
}
