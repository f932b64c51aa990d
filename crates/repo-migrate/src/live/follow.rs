//! Changes of the authority, carried to the other store.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use repo_core::strategy::{Applied, FeedPosition, Record};
use repo_core::{Error, ErrorKind, Key, Result, Version};

use super::history::Versions;
use super::pair::{Direction, Pair};
use super::{kept, tail};

/// Most changes that are carried at once.
pub(super) const CARRIED_AT_ONCE: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Carries the next changes of the leader to the follower, and then notes how far it is;
/// how many there were.
///
/// # Errors
/// `Corrupt` for a record that the follower has with another content under the same version.
pub(super) async fn carry(pair: &Pair, direction: Direction<'_>) -> Result<usize> {
    let leader = direction.leader;
    let from = kept::read(leader.store.as_ref(), pair.live).await?.position;
    let found = leader.store.changes(from.as_ref(), CARRIED_AT_ONCE).await?;
    let count = found.changes.len();
    let versions = Versions::of(leader, &found.changes).await?;
    // The record is as it is now: of several changes of a key the last one says it all.
    let records: BTreeMap<Key, Record> =
        found.changes.into_iter().filter_map(|change| Some((change.key, change.record?))).collect();
    match apply(direction, records.into_values().collect()).await {
        // A write came past the fence. The authority wins, and is carried over the next time.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let before = tail::repair(pair, direction).await?;
            if before.repaired == 0 {
                return Err(error);
            }
            return Ok(count);
        }
        applied => applied?,
    }
    versions.carry(direction).await?;
    if from.as_ref() != Some(&found.next) {
        kept::advance(leader, pair.live, &found.next).await?;
    }
    Ok(count)
}

/// Carries everything up to a position.
///
/// # Errors
/// As [`carry`].
pub(super) async fn drain(pair: &Pair, direction: Direction<'_>, to: &FeedPosition) -> Result<()> {
    loop {
        let kept = kept::read(direction.leader.store.as_ref(), pair.live).await?;
        if kept.position.is_some_and(|position| position.reaches(to)) {
            return Ok(());
        }
        carry(pair, direction).await?;
    }
}

/// Writes records to the follower. What it has already is left as it is.
///
/// # Errors
/// `Corrupt` for a record that it has with another content under the same version.
pub(super) async fn apply(direction: Direction<'_>, records: Vec<Record>) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = records.iter().map(|record| (record.key(), record.version())).collect();
    let answers = direction.follower.store.apply(records).await?;
    match keys.into_iter().zip(answers).find(|(_, answer)| *answer == Applied::Diverged) {
        Some(((key, version), _)) => Err(diverged(direction, &key, version)),
        None => Ok(()),
    }
}

/// The error for two stores that have different contents under one version.
fn diverged(direction: Direction<'_>, key: &Key, version: Version) -> Error {
    let why = "both stores have the record in this version, with different contents";
    Error::new(ErrorKind::Corrupt, "carry changes over", why)
        .with("key", key)
        .with("version", version)
        .with("store", direction.leader.store.location())
        .with("other", direction.follower.store.location())
        .hint("somebody wrote to the other store; look at the record in both, and begin again")
}
