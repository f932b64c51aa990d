//! The mark of an unfinished upgrade in the store's own record.

use std::collections::BTreeMap;

use repo_core::strategy::MigrationState;
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

/// An unfinished upgrade that this run goes on with.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// What the store keeps as the plan.
    pub(crate) stored: String,
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
    stored: Option<MigrationState>,
    options: &UpgradeOptions,
    side: &StoreReference,
    now: Timestamp,
) -> Result<Option<Found>> {
    let Some(stored) = stored else { return Ok(None) };
    let migration = || {
        let why = "a migration into this store is unfinished";
        side.err(Error::new(ErrorKind::Locked, "upgrade", why)).remedy(Remedy::FinishMigration)
    };
    let checkpoint = Checkpoint::read(&stored).ok_or_else(migration)?;
    let in_place = checkpoint.in_place.clone().ok_or_else(migration)?;
    if in_place.collection != options.collection || in_place.to != options.to {
        return Err(unfinished_upgrade(&in_place, side));
    }
    let taken = taken_from(&checkpoint, side, now)?;
    Ok(Some(Found { stored: stored.plan, checkpoint, in_place, taken }))
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

/// The fingerprint that the store keeps with the mark.
pub(crate) fn plan_of(side: &StoreReference, name: &CollectionName, from: u32, to: u32) -> String {
    let text = format!("upgrade\n{}\n{name}\n{from}\n{to}", side.location());
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
