//! The mark of an unfinished upgrade in the store's own record.

use std::collections::BTreeMap;

use repo_core::strategy::{JobFingerprint, JobId, JobKind, UnfinishedJob};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp, UpgradePath};

use crate::OnConflict;
use crate::job::checkpoint::{Begun, Checkpoint};
use crate::job::in_place::InPlace;
use crate::job::unfinished::{taken_from, unfinished_upgrade};
use crate::remedy::Remedy;
use crate::report::Listed;
use crate::store_reference::StoreReference;
use crate::upgrade::UpgradeOptions;
use crate::upgrade::report::Counts;

/// An unfinished upgrade that this run resumes.
#[derive(Debug, Clone)]
pub(crate) struct FoundUpgrade {
    /// The job that the store keeps.
    pub(crate) stored: JobId,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) in_place: InPlace,
    /// Words on whose lock is taken over.
    pub(crate) taken: String,
}

/// Looks at what the store keeps.
///
/// # Errors
/// `Locked` while somebody else is at work on it, and for everything but the
/// same upgrade.
pub(crate) fn find(
    stored: Option<UnfinishedJob>,
    options: &UpgradeOptions,
    side: &StoreReference,
    now: Timestamp,
) -> Result<Option<FoundUpgrade>> {
    let Some(stored) = stored else { return Ok(None) };
    let migration = || {
        let why = "a migration into this store is unfinished";
        side.err(Error::new(ErrorKind::Locked, "upgrade", why)).remedy(Remedy::FinishMigration)
    };
    let checkpoint = Checkpoint::read(&stored).map_err(|_| migration())?;
    let in_place = checkpoint.in_place.clone().ok_or_else(migration)?;
    if in_place.collection != options.collection || in_place.to != options.to {
        return Err(unfinished_upgrade(&in_place, side));
    }
    let taken = taken_from(&checkpoint, side, now)?;
    Ok(Some(FoundUpgrade { stored: stored.id().clone(), checkpoint, in_place, taken }))
}

/// The mark of an upgrade that begins.
pub(crate) fn new(
    side: &StoreReference,
    path: &UpgradePath,
    name: &CollectionName,
    now: Timestamp,
) -> Checkpoint {
    let begun = Begun {
        source: side.location().to_owned(),
        target: side.location().to_owned(),
        collections: Some([name.clone()].into()),
        on_conflict: OnConflict::Fail,
        started_at: now,
        into_empty: false,
        upgrades: BTreeMap::from([(name.clone(), path.fingerprint())]),
    };
    let in_place = InPlace {
        collection: name.clone(),
        from: path.from(),
        to: path.to(),
        of: 0,
        done: 0,
        in_flight: 0,
        aside: Vec::new(),
        counts: Counts::default(),
        left: Listed::default(),
    };
    Checkpoint::of_upgrade(begun, in_place)
}

/// The job of an upgrade from one schema version to another.
pub(crate) fn job_of(
    side: &StoreReference,
    name: &CollectionName,
    from: u32,
    to: u32,
) -> Result<JobId> {
    let text = format!("upgrade\n{}\n{name}\n{from}\n{to}", side.location());
    let fingerprint = JobFingerprint::new(blake3::hash(text.as_bytes()).to_hex().to_string())?;
    Ok(JobId::new(JobKind::Upgrade, fingerprint))
}
