//! What the source held before its changes were captured.

use futures::StreamExt as _;
use repo_core::strategy::{ScanOptions, StoreUpdate};
use repo_core::{Clock as _, CollectionName, Result, SystemClock};
use tokio::time::{Duration, Instant, sleep_until};

use super::follow::apply;
use super::kept::Copying;
use super::pair::{Direction, Pair};
use super::{LiveOptions, history, kept};
use crate::progress::{Phase, Progress};

/// How often it is noted how far the copy is.
const NOTED_EVERY: Duration = Duration::from_secs(1);

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
    let mut notes = Notes::begin(pair, total).await?;
    for name in &names {
        if kept::is_copied(direction.leader, pair.live, name).await? {
            continue;
        }
        if !copy_one(direction, name, options, progress, &mut pace, &mut notes).await?
            || !history::copy(direction, name, options, progress).await?
        {
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
    notes: &mut Notes<'_>,
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
        notes.add(read as u64).await?;
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

/// What the store keeps of how far the copy is, for whoever asks for the status.
struct Notes<'a> {
    pair: &'a Pair,
    copying: Copying,
    noted: Instant,
}

impl<'a> Notes<'a> {
    async fn begin(pair: &'a Pair, total: u64) -> Result<Self> {
        let now = SystemClock.now();
        let copying = Copying { began_at: now, noted_at: now, records: 0, total };
        let notes = Self { pair, copying, noted: Instant::now() };
        notes.write().await?;
        Ok(notes)
    }

    async fn add(&mut self, records: u64) -> Result<()> {
        self.copying.records += records;
        if self.noted.elapsed() < NOTED_EVERY {
            return Ok(());
        }
        (self.copying.noted_at, self.noted) = (SystemClock.now(), Instant::now());
        self.write().await
    }

    async fn write(&self) -> Result<()> {
        let copying = |kept: &mut kept::Kept| kept.copying = Some(self.copying.clone());
        kept::change(&self.pair.source, self.pair.live, copying).await
    }
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
