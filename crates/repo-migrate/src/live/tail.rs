//! Writes that reached a store after it had given the authority up: of a request that was
//! under way for very long, or of a tool that writes to the files or tables themselves.
//!
//! Nobody was acknowledged such a write by the authority, so the authority wins: its record
//! is written again, until its version is higher than the late one's, and is carried over like
//! any other change. A late write of a record that the authority does not have stays where it
//! is, and the authority does not come back while it does: nothing that is not there can be
//! written again.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use repo_core::strategy::{Applied, Record, StoreRole};
use repo_core::{CollectionName, EntityId, ErrorKind, Key, Precondition, Result, Write};

use super::kept;
use super::pair::{Direction, Pair};

/// Changes that are looked at together.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Late writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LateWrites {
    /// How many the authority outranks by now.
    pub(super) repaired: u64,
    /// Those that it does not outrank.
    pub(super) stay: Vec<Key>,
}

struct LateWrite {
    late: Record,
    /// The record of the authority.
    authority: Option<Record>,
}

impl LateWrite {
    fn is_outranked(&self) -> bool {
        self.authority.as_ref().is_some_and(|record| record.version() > self.late.version())
    }
}

/// Looks at what was written to the follower, if it has given the authority up, and lets the
/// authority win.
pub(super) async fn repair(pair: &Pair, direction: Direction<'_>) -> Result<LateWrites> {
    look(pair, direction, true).await
}

/// The same without writing anything to the authority.
pub(super) async fn find(pair: &Pair, direction: Direction<'_>) -> Result<LateWrites> {
    look(pair, direction, false).await
}

async fn look(pair: &Pair, direction: Direction<'_>, repairs: bool) -> Result<LateWrites> {
    let follower = direction.follower;
    let before = follower.role().await?;
    let mut all = LateWrites::default();
    if before.role != StoreRole::Retired {
        return Ok(all);
    }
    loop {
        let from = kept::read(follower.store.as_ref(), pair.live).await?.position;
        let found = follower.store.changes(from.as_ref(), AT_ONCE).await?;
        let next = found.next;
        let written = found.changes.into_iter().filter_map(|c| Some((c.key, c.record?)));
        let mut late = not_outranked(direction, written.collect()).await?;
        // Whether it is the authority again, and these are writes of programs.
        if follower.role().await? != before {
            return Ok(all);
        }
        if repairs {
            for one in &mut late {
                outrank(direction, one).await?;
            }
        }
        let count = late.len() as u64;
        late.retain(|one| !one.is_outranked());
        all.repaired += count - late.len() as u64;
        all.stay = late.iter().map(|one| one.late.key()).collect();
        if !late.is_empty() || from.as_ref() == Some(&next) {
            return Ok(all);
        }
        kept::change(follower, pair.live, |kept| {
            // Another run may have seen the same, and counted it.
            if kept.advance(&next) {
                kept.late_writes += count;
            }
        })
        .await?;
    }
}

/// Those of the records that the authority has neither in the same state nor in a later one.
async fn not_outranked(
    direction: Direction<'_>,
    written: BTreeMap<Key, Record>,
) -> Result<Vec<LateWrite>> {
    let mut of_each: BTreeMap<CollectionName, Vec<(EntityId, Record)>> = BTreeMap::new();
    for (key, record) in written {
        of_each.entry(key.collection).or_default().push((key.id, record));
    }
    let mut late = Vec::new();
    for (name, records) in of_each {
        let ids: Vec<EntityId> = records.iter().map(|(id, _)| id.clone()).collect();
        let stored = direction.leader.store.get_many(&name, &ids).await?;
        for ((_, record), authority) in records.into_iter().zip(stored) {
            let compared = record.compare_to_stored(authority.as_ref());
            if matches!(compared, Applied::Applied | Applied::Diverged) {
                late.push(LateWrite { late: record, authority });
            }
        }
    }
    Ok(late)
}

/// Writes what the authority has again until its version is the higher one. Leaves a record
/// that it does not have.
async fn outrank(direction: Direction<'_>, one: &mut LateWrite) -> Result<()> {
    let (key, version) = (one.late.key(), one.late.version());
    let store = &direction.leader.store;
    while !one.is_outranked() {
        let Some(live) = one.authority.as_ref().filter(|record| record.is_live()) else { break };
        let Some(document) = live.document() else { break };
        let expected = Precondition::Version(live.version());
        let write = Write::put(key.clone(), document.clone(), expected);
        match store.commit(vec![write]).await {
            Ok(_) => {}
            // A program was faster; or nobody knows. It is read again.
            Err(error) if is_read_again(error.kind()) => {}
            Err(error) => return Err(error),
        }
        let found = store.get_many(&key.collection, std::slice::from_ref(&key.id)).await?;
        one.authority = found.into_iter().flatten().next();
    }
    // One that stays is found again and again, and is named by whoever compares.
    if one.is_outranked() {
        tracing::warn!(
            %key,
            %version,
            store = direction.follower.store.location(),
            "a write came after the store had given the authority up; the authority wins"
        );
    }
    Ok(())
}

fn is_read_again(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::OutcomeUnknown)
}
