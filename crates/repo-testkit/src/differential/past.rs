//! Histories in random histories: from steps to calls, and what a time answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use repo_core::strategy::{
    HistoryState, OlderState, OlderThan, OlderVersion, StoreUpdate, VersionWrite,
};
use repo_core::{
    Attribution, Clock as _, CollectionName, Entity, EntityId, ManualClock, Result, Timestamp,
    Version,
};
use repo_history::History;

use super::keys::{collection, key, stored};
use crate::Store;
use crate::generate::{VersionChange, VersionSpec};

/// So many milliseconds ago.
pub(super) fn ago(clock: &ManualClock, milliseconds: u64) -> Timestamp {
    clock.now().saturating_sub(Duration::from_millis(milliseconds))
}

/// What is stored is changed, or, where two are asked for at once, what was stored.
pub(super) async fn switch(
    reference: &Store,
    clock: &ManualClock,
    name: &str,
    age: Option<u64>,
) -> Result<StoreUpdate> {
    let collection = collection(name);
    let history = age.map(|age| HistoryState::new(ago(clock, age)));
    let stale = age.is_some_and(|age| age % 5 == 0);
    let expected = match reference.store_record().await?.history.get(&collection).copied() {
        Some(_) if stale => None,
        stored => stored,
    };
    Ok(StoreUpdate::History { collection, expected, history })
}

/// Each id once, below the version that is stored; of every second one only the newest few.
pub(super) async fn older_than(
    reference: &Store,
    name: &str,
    ids: &[&str],
) -> Result<Vec<OlderThan>> {
    let mut of: Vec<OlderThan> = Vec::new();
    for id in ids {
        let key = key(name, id);
        if of.iter().all(|of| of.id != key.id) {
            let version = match stored(reference, &key).await? {
                Some(record) => record.version(),
                None => Version::new(Version::MAX)?,
            };
            let all = OlderThan::new(key.id, version);
            let oldest = Version::new(version.get().saturating_sub(3).max(1))?;
            of.push(if of.len().is_multiple_of(2) { all } else { all.down_to(oldest) });
        }
    }
    Ok(of)
}

/// One of some people who write for a reason.
pub(super) fn person(number: u8) -> Arc<Attribution> {
    let person = format!("person {number}");
    Arc::new(Attribution::new(Some(&person), Some("because")).expect("one that fits"))
}

/// Who wrote these versions, and those that they are below.
pub(super) async fn attributions(
    store: &Store,
    name: &CollectionName,
    below: &[OlderThan],
    found: &[OlderVersion],
) -> Result<Vec<Option<Attribution>>> {
    let stored = below.iter().map(|of| (of.id.clone(), of.version));
    let older = found.iter().map(|older| (older.id.clone(), older.version));
    let of: Vec<(EntityId, Version)> = stored.chain(older).collect();
    store.attributions(name, &of).await
}

/// The writes of these steps; one version may stand twice.
pub(super) async fn writes(
    reference: &Store,
    name: &str,
    specs: &[VersionSpec],
    now: Timestamp,
) -> Result<Vec<VersionWrite>> {
    let mut writes = Vec::new();
    for spec in specs {
        let key = key(name, spec.id);
        let number = stored(reference, &key).await?.map_or(9, |record| record.version().get());
        let version = Version::new(number.saturating_sub(spec.below).max(1))?;
        let id: EntityId = key.id.clone();
        let add = |state| VersionWrite::Add(OlderVersion::new(id.clone(), version, now, state));
        writes.push(match &spec.change {
            VersionChange::Add(Some(fields)) => {
                let document = fields.document(&key, key.id.as_str());
                add(OlderState::Live { created_at: now, document })
            }
            VersionChange::Add(None) => add(OlderState::Deleted),
            VersionChange::AddRemoved => add(OlderState::Removed),
            VersionChange::Clear => VersionWrite::Clear(id, version),
            VersionChange::Remove => VersionWrite::Remove(id, version),
            VersionChange::Attribute(author) => {
                let by = Arc::unwrap_or_clone(person(*author));
                VersionWrite::Attribute(id, version, by)
            }
        });
    }
    Ok(writes)
}

/// What was live at a time, by id; the same by the scan of all and id by id.
pub(super) async fn as_of(
    store: &Store,
    name: &CollectionName,
    at: Timestamp,
) -> Result<Vec<Entity>> {
    let history = History::of(Arc::clone(store), name.clone());
    let mut all: BTreeMap<EntityId, Entity> = BTreeMap::new();
    let mut batches = history.scan_as_of(at).await?;
    while let Some(batch) = batches.try_next().await? {
        all.extend(batch.into_iter().map(|entity| (entity.id.clone(), entity)));
    }
    for id in crate::generate::IDS {
        let id = EntityId::new(id)?;
        let alone = history.as_of(&id, at).await?.into_entity(name.clone());
        // Of a record that was purged the scan knows nothing.
        if all.contains_key(&id)
            || store.get_many(name, std::slice::from_ref(&id)).await?[0].is_some()
        {
            assert_eq!(alone.as_ref(), all.get(&id), "the scan and the id do not agree");
        }
    }
    Ok(all.into_values().collect())
}
