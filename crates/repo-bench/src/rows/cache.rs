//! Reads that a cache answers, against the map that it is made of, and against the store
//! that it spares.

use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::Record;
use repo_core::{Entity, EntityId, Key, Result};
use repo_layers::{CacheLayer, CacheStats, Layer as _};

use crate::bench::Bench;
use crate::data;
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Timed, timed_here};
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::row::{Measure, Row};

static HIT: Row = Row {
    name: "cache.hit",
    what: "one get that the cache answers",
    against: "a get from moka, with the key made from the id and the entity cloned",
    measure: Measure::Time,
    bound: None,
};
static SPARED: Row = Row {
    name: "cache.hit_sqlite",
    what: "one get that the cache answers, over SQLite",
    against: "the same get of the same store without the cache",
    measure: Measure::Time,
    bound: None,
};

pub(super) static ROWS: [&Row; 2] = [&HIT, &SPARED];

/// Machines that are kept: about 1,000 bytes each.
const KEPT: usize = 10_000;
/// Reads that a get of some hundred nanoseconds is multiplied by, so that there is
/// something to time.
const TIMES: usize = 20;

type Raw = moka::sync::Cache<Key, Arc<Entity>>;

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants_any(&ROWS) {
        return Ok(());
    }
    let scale = bench.scale();
    let machines = KEPT.min(scale.store);
    let store = ours::open_sqlite(&bench.path("cache.db"), false).await?;
    ours::fill(&store, machines).await?;
    let cache = CacheLayer::new(CacheLayer::MAX_BYTES, Duration::from_secs(3_600))?;
    let cached = cache.clone().around(Arc::clone(&store));
    let raw = kept_by_hand(&cached, machines).await?;
    let at = format!("{} entities", grouped(machines));
    let (mut mine, mut theirs) = (Book::new(machines), Book::new(machines));

    let before = cache.stats();
    let hits = async || ours::gets(&cached, &mine.ids(scale.reads * TIMES)).await;
    let by_hand = async || gets_by_hand(&raw, &theirs.ids(scale.reads * TIMES));
    bench.compare_finely(&HIT, at.clone(), hits, by_hand).await?;

    let hits = async || ours::gets(&cached, &mine.ids(scale.reads)).await;
    let alone = async || ours::gets(&store, &theirs.ids(scale.reads)).await;
    bench.compare_finely(&SPARED, at, hits, alone).await?;
    check_hits(before, cache.stats())?;
    cached.close().await
}

/// Reads all machines once through the cache, and puts them into a map.
async fn kept_by_hand(cached: &Store, machines: usize) -> Result<Raw> {
    let (name, raw) = (data::collection()?, Raw::new(2 * machines as u64));
    for start in (0..machines).step_by(ours::BATCH) {
        let numbers = start..machines.min(start + ours::BATCH);
        let ids: Vec<EntityId> =
            numbers.map(|number| data::entity_id(number as u64)).collect::<Result<_>>()?;
        let found = cached.get_many(&name, &ids).await?;
        let live: Vec<Entity> = found.into_iter().flatten().filter_map(Record::into_live).collect();
        errors::expect("fill the cache", ids.len(), live.len())?;
        for entity in live {
            raw.insert(entity.key(), Arc::new(entity));
        }
    }
    raw.run_pending_tasks();
    Ok(raw)
}

fn gets_by_hand(raw: &Raw, ids: &[String]) -> Result<Timed> {
    let collection = data::collection()?;
    timed_here(ids.len(), || {
        for id in ids {
            let key = Key::new(collection.clone(), EntityId::new(id)?);
            let found = raw.get(&key).map(|entity| Entity::clone(&entity));
            errors::expect("get", 1, usize::from(found.is_some()))?;
        }
        Ok(())
    })
}

/// Whoever asked the store would be slow for another reason.
fn check_hits(before: CacheStats, after: CacheStats) -> Result<()> {
    let asked = usize::try_from(after.misses - before.misses).unwrap_or(usize::MAX);
    errors::expect("read from the cache", 0, asked)
}
