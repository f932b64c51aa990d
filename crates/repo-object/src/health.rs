//! What a health check sees.

use repo_core::strategy::OlderThan;
use repo_core::{CollectionName, EntityId, HealthCheck, Result, Version};

use crate::older;
use crate::store::Store;

/// Older versions that are read together.
const VERSIONS: usize = 1_000;

/// What can be seen at once: whether the store is reached, how far the log is behind the
/// checkpoint, and how much room the index has.
pub(crate) async fn quick(store: &Store) -> Vec<HealthCheck> {
    let seen = match store.poisoned() {
        Some(reason) => Err(format!("the store stopped: {reason}")),
        None => store.catch_up("health").await.map_err(|error| error.to_string()),
    };
    let mut checks = vec![log(store, seen)];
    let state = store.state();
    let (bytes, most) = (state.bytes(), store.env.settings.max_index_bytes.get());
    let warning = if bytes > most / 10 * 9 { "warning: " } else { "" };
    let detail = format!("{warning}{bytes} of {most} bytes of memory");
    checks.push(HealthCheck::new("index", bytes <= most, detail));
    if state.capture.is_on() {
        let kept = state.head.saturating_sub(state.trimmed);
        checks.push(HealthCheck::new("feed", true, format!("{kept} changes are kept")));
    }
    checks.extend(state.role.health_check());
    checks
}

fn log(store: &Store, seen: Result<(), String>) -> HealthCheck {
    let state = store.state();
    let behind = state.position.saturating_sub(state.base.manifest.through);
    let every = u64::from(store.env.settings.checkpoint_every.get());
    // Nobody who wrote could make one.
    let warning = if behind > every * 4 { "warning: " } else { "" };
    match seen {
        Ok(()) => {
            let (frame, number) = (state.position, state.base.number);
            let detail =
                format!("{warning}frame {frame} of the log, {behind} behind checkpoint {number}");
            HealthCheck::new("log", true, detail)
        }
        Err(error) => HealthCheck::new("log", false, error),
    }
}

/// Reads every older version of every collection whose history is kept.
pub(crate) async fn histories(store: &Store) -> Vec<HealthCheck> {
    let kept: Vec<CollectionName> = {
        let state = store.state();
        let kept = state.tables.iter().filter(|(_, table)| table.history.is_some());
        kept.map(|(name, _)| name.clone()).collect()
    };
    let mut checks = Vec::with_capacity(kept.len());
    for name in kept {
        let (ok, detail) = match history(store, &name).await {
            Ok(count) => (true, format!("{name}: {count} older versions, all sound")),
            Err(error) => (false, format!("{name}: {error}")),
        };
        checks.push(HealthCheck::new("history", ok, detail));
    }
    checks
}

async fn history(store: &Store, name: &CollectionName) -> Result<u64> {
    let (mut count, mut after) = (0, None);
    loop {
        let versions = some_versions(store, name, after.as_ref());
        let Some(last) = versions.last().cloned() else { return Ok(count) };
        let of: Vec<OlderThan> = versions.into_iter().filter_map(of_one).collect();
        count += older::read(store, name, &of, VERSIONS).await?.len() as u64;
        after = Some(last);
    }
}

/// One version alone; none for the highest that there can be, which no other one replaces.
fn of_one((id, version): (EntityId, Version)) -> Option<OlderThan> {
    Some(OlderThan::new(id, version.next().ok()?).down_to(version))
}

fn some_versions(
    store: &Store,
    name: &CollectionName,
    after: Option<&(EntityId, Version)>,
) -> Vec<(EntityId, Version)> {
    let state = store.state();
    let history = state.tables.get(name).and_then(|table| table.history.as_ref());
    let Some(history) = history else { return Vec::new() };
    let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let behind = history.older.range::<(EntityId, Version), _>((from, std::ops::Bound::Unbounded));
    behind.take(VERSIONS).map(|(key, _)| key.clone()).collect()
}
