//! What the source held before its changes were captured.

use futures::StreamExt as _;
use repo_core::strategy::{ScanOptions, StoreUpdate};
use repo_core::{CollectionName, Result};
use tokio::time::{Duration, Instant, sleep_until};

use super::follow::apply;
use super::pair::{Direction, Pair};
use super::{LiveOptions, kept};
use crate::progress::{Phase, Progress};

/// Copies every collection that was not copied yet. False when the run was asked to end
/// before that was done.
///
/// # Errors
/// `Corrupt` for a record that the target has with another content.
pub(super) async fn copy(
    pair: &Pair,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<bool> {
    let direction = pair.towards(true);
    let names = direction.leader.store.collections().await?;
    let mut total = 0;
    for name in &names {
        let all = repo_core::Filter::default();
        total += direction.leader.store.count(name, &all, repo_core::Consistency::Eventual).await?;
    }
    progress.phase(Phase::Copy, Some(total));
    let mut pace = Pace { rate: options.rate_limit.map(usize::from), next: Instant::now() };
    for name in &names {
        if kept::is_copied(direction.leader, pair.live, name).await? {
            continue;
        }
        if !copy_one(direction, name, options, progress, &mut pace).await? {
            return Ok(false);
        }
        kept::set_copied(direction.leader, pair.live, name).await?;
    }
    kept::change(direction.leader, pair.live, |kept| kept.copied = true).await?;
    Ok(true)
}

async fn copy_one(
    direction: Direction<'_>,
    name: &CollectionName,
    options: &LiveOptions,
    progress: &dyn Progress,
    pace: &mut Pace,
) -> Result<bool> {
    raise_floor(direction, name).await?;
    let scan = ScanOptions::default().with_batch_size(options.batch_size);
    let mut batches = direction.leader.store.scan(name, scan).await?;
    while let Some(batch) = batches.next().await {
        if progress.is_stopped() {
            return Ok(false);
        }
        let records = batch?.records;
        let read = records.len();
        pace.wait(read).await;
        apply(direction, records).await?;
        progress.advance(name, read as u64);
    }
    Ok(true)
}

/// Gives the follower the floor of a collection. No purge happens meanwhile.
pub(super) async fn raise_floor(direction: Direction<'_>, name: &CollectionName) -> Result<()> {
    let floor = direction.leader.record().await?.collections.get(name).map_or(0, |s| s.floor);
    if floor > 0 {
        let update = StoreUpdate::RaiseFloor { collection: name.clone(), floor };
        direction.follower.store.update_store_record(update).await?;
    }
    Ok(())
}

/// No more records a second than the caller allows.
struct Pace {
    rate: Option<usize>,
    next: Instant,
}

impl Pace {
    async fn wait(&mut self, records: usize) {
        let Some(rate) = self.rate else { return };
        sleep_until(self.next).await;
        let takes = Duration::from_secs_f64(records as f64 / rate.max(1) as f64);
        self.next = self.next.max(Instant::now()) + takes;
    }
}
