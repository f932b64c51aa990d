//! Comparing both stores while programs write to one of them.
//!
//! A batch of the authority is read, and the same ids of the other store. What differs may
//! only be on its way, so it is read again after everything that was written before has
//! been carried over. Only a difference that stays is one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use repo_core::strategy::{Applied, FeedPosition, OlderVersion, Record, ScanOptions};
use repo_core::{
    Clock as _, CollectionName, Consistency, EntityId, Error, ErrorKind, Key, Result, SystemClock,
    Version,
};
use serde::Serialize;

use super::difference::LiveDifference;
use super::history::{Versions, attributed};
use super::kept::{self, Verified};
use super::pair::{Direction, LiveStores, Pair, Side};
use super::{LiveOptions, follow, history, tail};
use crate::history::reader::StorePages;
use crate::past::{PastVersion, stored_versions};
use crate::progress::{Phase, Progress};
use crate::store_reference::StoreReference;

/// How often everything is compared while the authority changes hands.
const MOST_TRIES: usize = 5;
/// How often, and how long, what differs is looked at again.
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);
/// Changes that are read together.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(500).unwrap();
/// Most differences that are named.
const MOST_NAMED: usize = 100;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LiveVerification {
    /// How many records were compared.
    pub records: u64,
    /// How many differ.
    pub differences: u64,
    /// The first hundred of them.
    pub named: Vec<LiveDifference>,
    /// Whether everything was compared; false when the run was asked to end before.
    pub finished: bool,
}

/// Compares both stores of a live migration, and notes the outcome in the authority.
///
/// # Errors
/// `NotFound` for stores that take part in none; those of the stores.
pub async fn verify(
    stores: LiveStores<'_>,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<LiveVerification> {
    let pair = Pair::open(stores).await?;
    let verified = verify_pair(&pair, options, progress).await;
    pair.close().await?;
    verified
}

pub(super) async fn verify_pair(
    pair: &Pair,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<LiveVerification> {
    for _ in 0..MOST_TRIES {
        let (direction, role) = pair.direction().await?;
        tail::repair(pair, direction).await?;
        let position = direction.leader.store.head().await?;
        progress.phase(Phase::Verify, None);
        let found = compare_all(pair, direction, options, progress).await?;
        if !found.finished {
            return Ok(found);
        }
        if direction.leads_still(role.epoch).await? {
            note(pair, direction, position, &found).await?;
            return Ok(found);
        }
    }
    let why = "the authority changed hands whenever the stores were compared";
    Err(Error::new(ErrorKind::Unavailable, "compare both stores", why)
        .with("source", pair.source.store.location())
        .with("target", pair.target.store.location())
        .hint("look at the status of the live migration, and try again"))
}

async fn compare_all(
    pair: &Pair,
    direction: Direction<'_>,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<LiveVerification> {
    let mut comparison = Comparison::new(pair, direction);
    for name in direction.leader.store.collections().await? {
        if !comparison.compare(&name, options, progress).await? {
            return Ok(comparison.found);
        }
    }
    comparison.found.finished = true;
    Ok(comparison.found)
}

async fn note(
    pair: &Pair,
    direction: Direction<'_>,
    position: FeedPosition,
    found: &LiveVerification,
) -> Result<()> {
    let (records, differences) = (found.records, found.differences);
    let verified = Verified::new(position, SystemClock.now(), records, differences, &found.named);
    kept::change(direction.leader, pair.live, |kept| kept.verified = Some(verified.clone())).await
}

/// Compares what was written since the last comparison, and notes how far that is: so
/// little is left to be compared in the pause of a switch. Does nothing before the first
/// comparison, and notes nothing when the leader leads no more in this epoch.
pub(super) async fn verify_recent(pair: &Pair, direction: Direction<'_>, epoch: u64) -> Result<()> {
    let kept = kept::read(direction.leader.store.as_ref(), pair.live).await?;
    let Some(verified) = kept.verified.filter(|verified| verified.differences == 0) else {
        return Ok(());
    };
    let head = direction.leader.store.head().await?;
    let mut comparison = Comparison::new(pair, direction);
    let mut position = verified.position;
    while !position.reaches(&head) {
        let changed = changed(direction, &position).await?;
        if position == changed.next {
            break;
        }
        comparison.compare_changed(&changed).await?;
        position = changed.next;
    }
    if !direction.leads_still(epoch).await? {
        return Ok(());
    }
    let differences = comparison.found.differences;
    kept::change(direction.leader, pair.live, |kept| {
        if let Some(verified) = &mut kept.verified {
            verified.position = position.clone();
            verified.differences += differences;
            verified.name(&comparison.found.named);
        }
    })
    .await
}

/// Compares what was written after a position, while nothing is written any more.
pub(super) async fn verify_rest(
    pair: &Pair,
    direction: Direction<'_>,
    since: &FeedPosition,
) -> Result<LiveVerification> {
    let mut comparison = Comparison::new(pair, direction);
    let mut position = since.clone();
    loop {
        let changed = changed(direction, &position).await?;
        if position == changed.next {
            return Ok(comparison.found);
        }
        comparison.compare_changed(&changed).await?;
        position = changed.next;
    }
}

/// What the next changes have written, and where to read on.
struct Changed {
    keys: BTreeSet<Key>,
    versions: Versions,
    next: FeedPosition,
}

async fn changed(direction: Direction<'_>, after: &FeedPosition) -> Result<Changed> {
    let changes = direction.leader.store.changes(Some(after), AT_ONCE).await?;
    let versions = Versions::of(direction.leader, &changes.changes).await?;
    let keys = changes.changes.into_iter().map(|change| change.key).collect();
    Ok(Changed { keys, versions, next: changes.next })
}

impl LiveVerification {
    /// Adds a difference; one that is found from both sides counts once.
    fn add(&mut self, difference: LiveDifference) {
        if self.named.iter().any(|known| known.key == difference.key) {
            return;
        }
        self.differences += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(difference);
        }
    }
}

/// A record in the authority and in the other store.
type Both = (EntityId, (Option<Record>, Option<Record>));

struct Comparison<'a> {
    pair: &'a Pair,
    direction: Direction<'a>,
    found: LiveVerification,
}

impl<'a> Comparison<'a> {
    fn new(pair: &'a Pair, direction: Direction<'a>) -> Self {
        Self { pair, direction, found: LiveVerification::default() }
    }

    /// Compares a collection from both sides: what only the other store has is a difference
    /// too. False when the run was asked to end before.
    async fn compare(
        &mut self,
        name: &CollectionName,
        options: &LiveOptions,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let (leader, follower) = (self.direction.leader, self.direction.follower);
        let keeps = history::is_kept(leader, name).await?;
        for (store, is_leader) in [(&leader.store, true), (&follower.store, false)] {
            let scan = ScanOptions::default()
                .with_batch_size(options.batch_size)
                .with_consistency(Consistency::Strong);
            let mut batches = store.scan(name, scan).await?;
            while let Some(batch) = batches.next().await {
                if progress.is_stopped() {
                    return Ok(false);
                }
                let records = batch?.records;
                let ids: Vec<EntityId> = records.iter().map(|record| record.id().clone()).collect();
                if is_leader {
                    progress.advance(name, ids.len() as u64);
                }
                self.compare_ids(name, ids, is_leader).await?;
                if is_leader && keeps {
                    self.compare_past(name, &records).await?;
                }
            }
        }
        Ok(true)
    }

    /// Compares what records were before.
    async fn compare_past(&mut self, name: &CollectionName, records: &[Record]) -> Result<()> {
        let leader = StoreReference::only(&self.direction.leader.store);
        let mut pages = StorePages::of(&leader, name, stored_versions(records));
        while let Some(mut page) = pages.next().await? {
            page.retain(|one| one.state.is_some());
            self.compare_versions(name, page, Counts::Attributions).await?;
        }
        Ok(())
    }

    async fn compare_changed(&mut self, changed: &Changed) -> Result<()> {
        let mut of_each: BTreeMap<CollectionName, Vec<EntityId>> = BTreeMap::new();
        for key in &changed.keys {
            of_each.entry(key.collection.clone()).or_default().push(key.id.clone());
        }
        for (name, ids) in of_each {
            self.compare_ids(&name, ids, true).await?;
        }
        let kept = changed.versions.kept_by(self.direction.leader).await?;
        for (name, older) in kept {
            let older = older.into_iter().map(|one| PastVersion::older(one, None)).collect();
            self.compare_versions(&name, older, Counts::Contents).await?;
        }
        Ok(())
    }

    /// Compares older versions of the authority with those of the other store, which may have
    /// more of them.
    async fn compare_versions(
        &mut self,
        name: &CollectionName,
        older: Vec<PastVersion>,
        counts: Counts,
    ) -> Result<()> {
        let mut suspects = lacking(self.direction.follower, name, older, counts).await?;
        if !suspects.is_empty() {
            // They may be on their way.
            let head = self.direction.leader.store.head().await?;
            follow::drain(self.pair, self.direction, &head).await?;
            suspects = lacking(self.direction.follower, name, suspects, counts).await?;
        }
        if !suspects.is_empty() {
            // Two runs that carry the same changes may both have gone past one.
            history::add(self.direction, name, &suspects).await?;
            suspects = lacking(self.direction.follower, name, suspects, counts).await?;
        }
        for (id, version) in suspects.into_iter().map(|one| (one.id, one.version)) {
            let key = format!("{}@{version}", Key::new(name.clone(), id));
            self.found.add(LiveDifference { key, authority: Some(version), other: None });
        }
        Ok(())
    }

    /// Compares records. What was read of the authority has arrived in the other store once
    /// everything from before is carried over; that store may have a later version by then.
    async fn compare_ids(
        &mut self,
        name: &CollectionName,
        mut ids: Vec<EntityId>,
        counts: bool,
    ) -> Result<()> {
        self.found.records += if counts { ids.len() as u64 } else { 0 };
        let Direction { leader, follower } = self.direction;
        let mut authority = leader.store.get_many(name, &ids).await?;
        let mut other = follower.store.get_many(name, &ids).await?;
        let begun = Instant::now();
        for round in 0.. {
            let pairs = ids.into_iter().zip(authority.into_iter().zip(other));
            let differing: Vec<Both> =
                pairs.filter(|(_, (a, b))| !is_same(a.as_ref(), b.as_ref())).collect();
            if differing.is_empty() {
                return Ok(());
            }
            if round == ROUNDS || begun.elapsed() > PATIENCE {
                return self.judge(name, differing).await;
            }
            ids = differing.into_iter().map(|(id, _)| id).collect();
            authority = leader.store.get_many(name, &ids).await?;
            let head = leader.store.head().await?;
            follow::drain(self.pair, self.direction, &head).await?;
            other = follower.store.get_many(name, &ids).await?;
        }
        Ok(())
    }

    /// What stayed different. A record that is written all the time is newer in the other
    /// store whenever it is looked at; its version is then one that the authority has reached.
    async fn judge(&mut self, name: &CollectionName, differing: Vec<Both>) -> Result<()> {
        let ids: Vec<EntityId> = differing.iter().map(|(id, _)| id.clone()).collect();
        let now = self.direction.leader.store.get_many(name, &ids).await?;
        for ((id, (authority, other)), now) in differing.into_iter().zip(now) {
            let version = |record: &Option<Record>| record.as_ref().map(Record::version);
            let (a, b) = (version(&authority), version(&other));
            if b > a && version(&now) >= b {
                continue;
            }
            let key = Key::new(name.clone(), id).to_string();
            self.found.add(LiveDifference { key, authority: a, other: b });
        }
        Ok(())
    }
}

/// What counts where older versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// What they were.
    Contents,
    /// Who wrote them, too. Whoever compares everything has the time to ask.
    Attributions,
}

/// Those of these older versions that a store does not keep as they are.
async fn lacking(
    side: &Side,
    name: &CollectionName,
    mut older: Vec<PastVersion>,
    counts: Counts,
) -> Result<Vec<PastVersion>> {
    let mut wanted = Versions::default();
    for one in &older {
        wanted.add(name, &one.id, one.version);
    }
    let kept: Vec<OlderVersion> = wanted.kept_by(side).await?.into_values().flatten().collect();
    let kept = match counts {
        Counts::Contents => kept.into_iter().map(|one| PastVersion::older(one, None)).collect(),
        Counts::Attributions => attributed(side, name, kept).await?,
    };
    let there: BTreeMap<(EntityId, Version), PastVersion> =
        kept.into_iter().map(|one| ((one.id.clone(), one.version), one)).collect();
    older.retain(|one| {
        let found = there.get(&(one.id.clone(), one.version));
        !found.is_some_and(|found| found.same_content(one) && found.by == one.by)
    });
    Ok(older)
}

fn is_same(a: Option<&Record>, b: Option<&Record>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.compare_to_stored(Some(b)) == Applied::Equal,
        _ => false,
    }
}
