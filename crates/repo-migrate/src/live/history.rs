//! Histories on their way: what records were before, and who wrote that.
//!
//! The other store keeps the same histories from before the first record is copied. What it
//! replaces it keeps by itself; versions that it never had as its own are added: those from
//! before the copy, and those that the feed went past.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;

use futures::StreamExt as _;
use repo_core::strategy::{
    Applied, HistoryState, OlderThan, OlderVersion, RecordChange, StorageStrategy, StoreUpdate,
    VersionWrite,
};
use repo_core::{Attribution, CollectionName, EntityId, Error, ErrorKind, Result, Version};

use super::LiveOptions;
use super::pair::{Direction, Side};
use crate::history::reader::HistoryOrigin;
use crate::past::PastVersion;
use crate::progress::Progress;
use crate::store_reference::StoreReference;

/// Versions that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(200).unwrap();

/// Has the target keep what the source keeps. It is empty, and nobody's copy yet.
pub(super) async fn begin(
    wanted: &BTreeMap<CollectionName, HistoryState>,
    target: &dyn StorageStrategy,
) -> Result<()> {
    if !wanted.is_empty() && !target.capabilities().history {
        let why = "the source keeps histories, and the target can keep none";
        return Err(Error::new(ErrorKind::Unsupported, "begin a live migration", why)
            .with("store", target.location())
            .with("collections", wanted.len())
            .hint("choose another target, or end the histories of the source first"));
    }
    let there = target.store_record().await?.history;
    for name in wanted.keys().chain(there.keys()).collect::<BTreeSet<_>>() {
        let (mut stored, wanted) = (there.get(name).copied(), wanted.get(name).copied());
        let set = |expected, history| {
            let collection = name.clone();
            target.update_store_record(StoreUpdate::History { collection, expected, history })
        };
        if stored.is_some() && stored != wanted {
            // One that goes on never begins earlier than it did.
            set(stored, None).await?;
            stored = None;
        }
        if stored != wanted {
            set(stored, wanted).await?;
        }
    }
    Ok(())
}

/// Copies what the records of a collection were before. Safe to repeat. False when the run was
/// asked to end before that was done.
pub(super) async fn copy(
    direction: Direction<'_>,
    name: &CollectionName,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<bool> {
    if !is_kept(direction.leader, name).await? {
        return Ok(true);
    }
    let origin = HistoryOrigin::Store(StoreReference::only(&direction.leader.store));
    let mut pages = origin.all(name, 0, options.batch_size).await?;
    while let Some(page) = pages.next().await {
        if progress.is_stopped() {
            return Ok(false);
        }
        write(direction, name, page?).await?;
    }
    Ok(true)
}

/// Whether the history of a collection is kept.
pub(super) async fn is_kept(side: &Side, name: &CollectionName) -> Result<bool> {
    Ok(side.record().await?.history.contains_key(name))
}

/// Versions of records of which the history is kept.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// Those that were replaced since.
    older: BTreeMap<CollectionName, BTreeMap<EntityId, BTreeSet<Version>>>,
    /// Those that were stored when the feed was read.
    stored: BTreeMap<CollectionName, BTreeSet<(EntityId, Version)>>,
}

impl Versions {
    /// Those that changes of a store have written.
    pub(super) async fn of(side: &Side, changes: &[RecordChange]) -> Result<Self> {
        let mut this = Self::default();
        if changes.is_empty() {
            return Ok(this);
        }
        let kept = side.record().await?.history;
        for change in changes.iter().filter(|change| kept.contains_key(&change.key.collection)) {
            let (name, id) = (&change.key.collection, &change.key.id);
            if change.exact {
                let stored = this.stored.entry(name.clone()).or_default();
                stored.insert((id.clone(), change.version));
            } else {
                this.add(name, id, change.version);
            }
        }
        Ok(this)
    }

    /// Adds one that was replaced.
    pub(super) fn add(&mut self, name: &CollectionName, id: &EntityId, version: Version) {
        let of_collection = self.older.entry(name.clone()).or_default();
        of_collection.entry(id.clone()).or_default().insert(version);
    }

    /// What a store keeps of the replaced ones.
    pub(super) async fn kept_by(
        &self,
        side: &Side,
    ) -> Result<BTreeMap<CollectionName, Vec<OlderVersion>>> {
        let mut all = BTreeMap::new();
        for (name, wanted) in &self.older {
            all.insert(name.clone(), older_of(side, name, wanted).await?);
        }
        Ok(all)
    }

    /// Gives the follower what the leader keeps of them, and who wrote them. The records
    /// themselves are there already.
    pub(super) async fn carry(&self, direction: Direction<'_>) -> Result<()> {
        let leader = StoreReference::only(&direction.leader.store);
        for (name, older) in self.kept_by(direction.leader).await? {
            write(direction, &name, attributed(direction.leader, &name, older).await?).await?;
        }
        for (name, stored) in &self.stored {
            let keys: Vec<(EntityId, Version)> = stored.iter().cloned().collect();
            let by = leader.attributions(name, &keys).await?;
            let attribute = |((id, version), by): ((EntityId, Version), Option<Attribution>)| {
                Some(VersionWrite::Attribute(id, version, by?))
            };
            let writes: Vec<_> = keys.into_iter().zip(by).filter_map(attribute).collect();
            send(direction.follower, name, writes).await?;
        }
        Ok(())
    }
}

/// These versions, with who wrote them.
pub(super) async fn attributed(
    side: &Side,
    name: &CollectionName,
    older: Vec<OlderVersion>,
) -> Result<Vec<PastVersion>> {
    if older.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = older.iter().map(|one| (one.id.clone(), one.version)).collect();
    let by = StoreReference::only(&side.store).attributions(name, &keys).await?;
    Ok(older.into_iter().zip(by).map(|(one, by)| PastVersion::older(one, by)).collect())
}

/// Those of these versions that a store keeps. A record may have thousands of others: each is
/// read from the newest that is wanted down to the oldest.
async fn older_of(
    side: &Side,
    name: &CollectionName,
    wanted: &BTreeMap<EntityId, BTreeSet<Version>>,
) -> Result<Vec<OlderVersion>> {
    let mut left = VecDeque::with_capacity(wanted.len());
    for (id, versions) in wanted {
        if let (Some(oldest), Some(newest)) = (versions.first(), versions.last()) {
            left.push_back(OlderThan::new(id.clone(), newest.next()?).down_to(*oldest));
        }
    }
    let mut found = Vec::new();
    while !left.is_empty() {
        let of: Vec<OlderThan> = left.iter().take(AT_ONCE.get()).cloned().collect();
        let page = side.store.older_versions(name, &of, AT_ONCE).await?;
        let last = page.last().map(|last| (last.id.clone(), last.version));
        let is_full = page.len() >= AT_ONCE.get();
        let is_wanted =
            |one: &OlderVersion| wanted.get(&one.id).is_some_and(|of| of.contains(&one.version));
        found.extend(page.into_iter().filter(is_wanted));
        match last.filter(|_| is_full) {
            // The page ends within this one.
            Some((id, version)) => {
                let read = left.iter().position(|of| of.id == id).unwrap_or_default();
                left.drain(..read);
                left.front_mut().into_iter().for_each(|of| of.version = version);
            }
            None => drop(left.drain(..of.len())),
        }
    }
    Ok(found)
}

/// Gives the follower versions that it may lack. What it has is left as it is.
pub(super) async fn add(
    direction: Direction<'_>,
    name: &CollectionName,
    older: &[PastVersion],
) -> Result<()> {
    let adds = older.iter().filter_map(PastVersion::to_older).map(VersionWrite::Add);
    send(direction.follower, name, adds.collect()).await?;
    let attribute = |one: &PastVersion| {
        Some(VersionWrite::Attribute(one.id.clone(), one.version, one.by.clone()?))
    };
    send(direction.follower, name, older.iter().filter_map(attribute).collect()).await.map(drop)
}

/// Writes versions to the follower, and who wrote them.
async fn write(
    direction: Direction<'_>,
    name: &CollectionName,
    page: Vec<PastVersion>,
) -> Result<()> {
    let follower = direction.follower;
    let older: Vec<OlderVersion> = page.iter().filter_map(PastVersion::to_older).collect();
    let adds = older.iter().cloned().map(VersionWrite::Add).collect();
    let answers = send(follower, name, adds).await?;
    let differing = older.into_iter().zip(answers);
    let differing: Vec<_> = differing.filter(|(_, answer)| *answer == Applied::Diverged).collect();
    if !differing.is_empty() {
        // A run that was stopped for a while changes nothing of what has taken over.
        if follower.role().await?.takes_writes() {
            let why = "the other store has taken over meanwhile";
            return Err(Error::new(ErrorKind::Locked, "carry versions over", why)
                .with("store", follower.store.location())
                .hint("nothing of it was changed; look at the status of the live migration"));
        }
    }
    // Of a write that came past the fence: what the authority says was there counts.
    for (version, _) in differing {
        tracing::warn!(collection = %name, id = %version.id, version = %version.version,
            "the other store kept another content of a version, and gets that of the authority");
        let (id, number) = (version.id.clone(), version.version);
        send(follower, name, vec![VersionWrite::Remove(id, number)]).await?;
        send(follower, name, vec![VersionWrite::Add(version)]).await?;
    }
    let mut named: Vec<PastVersion> = page.into_iter().filter(|one| one.by.is_some()).collect();
    // The stored version of the leader may still be on its way.
    let ids: BTreeSet<&EntityId> =
        named.iter().filter(|one| one.state.is_none()).map(|one| &one.id).collect();
    let ids: Vec<EntityId> = ids.into_iter().cloned().collect();
    let stored = match ids.is_empty() {
        true => Vec::new(),
        false => follower.store.get_many(name, &ids).await?,
    };
    let stored: BTreeMap<EntityId, Version> = stored
        .into_iter()
        .flatten()
        .map(|record| (record.id().clone(), record.version()))
        .collect();
    named.retain(|one| {
        one.state.is_some() || stored.get(&one.id).is_some_and(|there| *there >= one.version)
    });
    let attribute = |one: PastVersion| Some(VersionWrite::Attribute(one.id, one.version, one.by?));
    send(follower, name, named.into_iter().filter_map(attribute).collect()).await.map(drop)
}

async fn send(
    side: &Side,
    name: &CollectionName,
    writes: Vec<VersionWrite>,
) -> Result<Vec<Applied>> {
    let reference = StoreReference::only(&side.store);
    let mut answers = Vec::with_capacity(writes.len());
    for part in writes.chunks(VersionWrite::MOST) {
        answers.extend(reference.write_versions(name, part.to_vec()).await?);
    }
    Ok(answers)
}
