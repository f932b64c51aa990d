//! The mark of an unfinished upgrade in the store's own record.

use std::collections::BTreeMap;

use repo_core::{
    CollectionName, EntityId, Error, ErrorKind, MigrationState, Result, Timestamp, UpgradePath,
};
use serde::{Deserialize, Serialize};

use crate::OnConflict;
use crate::job::checkpoint::{Begun, Checkpoint};
use crate::job::unfinished::taken_from;
use crate::report::Listed;
use crate::store_reference::Side;
use crate::upgrade::UpgradeOptions;
use crate::upgrade::report::Counts;

/// How far an upgrade in place is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InPlace {
    pub(crate) collection: CollectionName,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Lines of the archive; 0 until it is made.
    pub(crate) of: u64,
    /// So many of its first lines are done, durably.
    pub(crate) done: u64,
    /// So many lines after those are the batch that may have been written.
    pub(crate) in_flight: u64,
    /// Entities of that batch that are not written with it.
    pub(crate) aside: Vec<Aside>,
    /// What became of the lines that are done.
    pub(crate) counts: Counts,
    /// Entities that were left as they are.
    pub(crate) left: Listed,
}

/// An entity that is not written with its batch: somebody else has changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub(crate) id: EntityId,
    /// Why it is left as it is; none when it is deleted.
    pub(crate) left: Option<String>,
}

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
    side: &Side,
    now: Timestamp,
) -> Result<Option<Found>> {
    let Some(stored) = stored else { return Ok(None) };
    let migration = || {
        let why = "a migration into this store is unfinished";
        side.err(Error::new(ErrorKind::Locked, "upgrade", why))
            .hint("finish it first; `repoctl migrate status` says which it is")
    };
    let checkpoint = Checkpoint::read(&stored).ok_or_else(migration)?;
    let in_place = checkpoint.in_place.clone().ok_or_else(migration)?;
    if in_place.collection != options.collection || in_place.to != options.to {
        return Err(unfinished(&in_place, side));
    }
    let taken = taken_from(&checkpoint, side, now)?;
    Ok(Some(Found { stored: stored.plan, checkpoint, in_place, taken }))
}

/// The mark of an upgrade that begins.
pub(crate) fn new(
    side: &Side,
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
pub(crate) fn plan_of(side: &Side, name: &CollectionName, from: u32, to: u32) -> String {
    let text = format!("upgrade\n{}\n{name}\n{from}\n{to}", side.location());
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Refuses a store in which one of these collections holds documents of two
/// schema versions.
///
/// # Errors
/// `Locked`, with the command that goes on.
pub(crate) async fn refuse_mixed(
    side: &Side,
    concerns: impl Fn(&CollectionName) -> bool,
) -> Result<()> {
    let Some(stored) = side.record().await?.migration else { return Ok(()) };
    let Some(checkpoint) = Checkpoint::read(&stored) else { return Ok(()) };
    // Before there is an archive nothing was written.
    let begun = checkpoint.in_place.filter(|_| checkpoint.archive.is_some());
    match begun.filter(|in_place| concerns(&in_place.collection)) {
        Some(in_place) => Err(unfinished(&in_place, side)),
        None => Ok(()),
    }
}

/// Refuses a target on which an upgrade is unfinished; no flag drops it.
pub(crate) fn refuse_in_place(checkpoint: &Checkpoint, side: &Side) -> Result<()> {
    match &checkpoint.in_place {
        Some(in_place) => Err(unfinished(in_place, side)),
        None => Ok(()),
    }
}

fn unfinished(in_place: &InPlace, side: &Side) -> Error {
    let InPlace { collection, to, .. } = in_place;
    let why = format!("an upgrade of {collection} is unfinished");
    side.err(Error::new(ErrorKind::Locked, "upgrade", why))
        .with("collection", collection)
        .with("to", to)
        .hint(format!("go on with it: `repoctl upgrade {collection} --to {to}`"))
}
