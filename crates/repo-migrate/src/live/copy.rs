//! What the source held before its changes were captured.

use futures::stream::FuturesUnordered;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Record, ScanOptions, StoreUpdate};
use repo_core::{
    Clock as _, CollectionName, Consistency, EntityId, ErrorKind, Result, SystemClock,
};
use tokio::time::{Duration, Instant};

use super::follow::apply;
use super::kept::Copying;
use super::load::{self, Load};
use super::pair::{Direction, Pair};
use super::{LiveOptions, history, kept, measure};
use crate::copy::throttle::Throttle;
use crate::progress::{Phase, Progress};

/// How long a batch waits at most while the source suffers.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often it is noted how far the copy is.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// How long a refused batch is tried again at once. A target that is away for longer is waited
/// for by the run, which ends in the end.
const REFUSED_FOR: Duration = Duration::from_secs(4);
/// Bytes of documents that are written at a time; the batch that goes beyond them is the last.
const MOST_BYTES: usize = 32 << 20;

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
    let patience = options.patience.min(REFUSED_FOR);
    let throttle = Throttle::new(options.workers, options.rate_limit, patience, progress);
    let pace = Pace::new(options.max_load);
    let notes = Notes::begin(pair, total).await?;
    let mut copier = Copier { direction, options, progress, throttle, pace, notes };
    for name in &names {
        if kept::is_copied(direction.leader, pair.live, name).await? {
            continue;
        }
        match copier.copy(name).await {
            Ok(true) if history::copy(direction, name, options, progress).await? => {
                kept::set_copied(direction.leader, pair.live, name).await?;
            }
            // A refused batch is not waited for when the run is to end.
            Err(error) if error.kind() != ErrorKind::Unavailable || !progress.is_stopped() => {
                return Err(error);
            }
            Ok(_) | Err(_) => return Ok(false),
        }
    }
    kept::change(direction.leader, pair.live, |kept| kept.copied = true).await?;
    Ok(true)
}

struct Copier<'a> {
    direction: Direction<'a>,
    options: &'a LiveOptions,
    progress: &'a dyn Progress,
    throttle: Throttle<'a>,
    pace: Pace,
    notes: Notes<'a>,
}

/// A batch that was read, and how fast the source answers.
struct Read {
    records: Vec<Record>,
    answered: Option<Duration>,
}

impl Copier<'_> {
    /// Reads batch after batch, while others are written: as many as there are workers, and as
    /// fit into memory.
    async fn copy(&mut self, name: &CollectionName) -> Result<bool> {
        let Self { direction, options, progress, throttle, pace, notes } = self;
        raise_floor(*direction, name).await?;
        // What was acknowledged before the feed is followed has to be seen here.
        let scan = ScanOptions::default()
            .with_batch_size(options.batch_size)
            .with_consistency(Consistency::Strong);
        let batches = direction.leader.store.scan(name, scan).await?;
        let watched = pace.load.is_some();
        // Part of the stream, so that no batch is lost when something else is faster.
        let mut batches =
            batches.and_then(|batch| read(*direction, name, batch.records, watched)).boxed();
        let mut writing = FuturesUnordered::new();
        let (mut bytes, mut is_read, mut is_whole) = (0, false, true);
        while !(is_read && writing.is_empty()) {
            let has_room = writing.len() < options.workers.get() && bytes < MOST_BYTES;
            tokio::select! {
                biased;
                Some(written) = writing.next(), if !writing.is_empty() => {
                    let (records, size): (usize, usize) = written?;
                    bytes -= size;
                    progress.advance(name, records as u64);
                    measure::copied(records as u64);
                    notes.add(records as u64).await?;
                }
                found = batches.next(), if has_room && !is_read => {
                    let Some(found) = found.transpose()? else {
                        is_read = true;
                        continue;
                    };
                    if progress.is_stopped() {
                        (is_read, is_whole) = (true, false);
                        continue;
                    }
                    pace.note(throttle, found.answered, found.records.len());
                    let size = size_of(&found.records);
                    bytes += size;
                    writing.push(write(*direction, throttle, found.records, size));
                }
            }
        }
        Ok(is_whole)
    }
}

async fn read(
    direction: Direction<'_>,
    name: &CollectionName,
    records: Vec<Record>,
    watched: bool,
) -> Result<Read> {
    let ids: Vec<EntityId> =
        records.iter().take(load::READ).map(|record| record.id().clone()).collect();
    let answered = match watched && !ids.is_empty() {
        true => Some(load::time(direction.leader, name, &ids).await?),
        false => None,
    };
    Ok(Read { records, answered })
}

/// Writes a batch when it is its turn; how many records, and bytes, it had.
async fn write(
    direction: Direction<'_>,
    throttle: &Throttle<'_>,
    records: Vec<Record>,
    size: usize,
) -> Result<(usize, usize)> {
    let count = records.len();
    throttle.batch(count, || apply(direction, records.clone())).await?;
    Ok((count, size))
}

fn size_of(records: &[Record]) -> usize {
    records.iter().filter_map(Record::document).map(|document| document.as_str().len()).sum()
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

/// Fewer records a second while the source suffers.
struct Pace {
    load: Option<Load>,
    /// Since when the rate is what it is, and what was read since.
    since: Instant,
    records: usize,
    /// Records a second when the source last did not suffer.
    unhindered: f64,
}

impl Pace {
    fn new(max_load: Option<f64>) -> Self {
        let load = max_load.map(Load::new);
        Self { load, since: Instant::now(), records: 0, unhindered: 0.0 }
    }

    /// Takes a batch into account that was read while the source answered so fast.
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    fn note(&mut self, throttle: &Throttle<'_>, answered: Option<Duration>, records: usize) {
        self.records += records;
        let (Some(load), Some(answered)) = (&mut self.load, answered) else { return };
        let before = load.slower();
        if !load.note(answered) {
            return;
        }
        if before == 1 {
            let took = self.since.elapsed().as_secs_f64().max(0.001);
            self.unhindered = self.records as f64 / took;
        }
        let slower = load.slower();
        // A batch never waits so long that nobody sees the source recover.
        let least = records as f64 / LONGEST_WAIT.as_secs_f64();
        throttle.slow_down((slower > 1).then(|| (self.unhindered / f64::from(slower)).max(least)));
        measure::slower(slower);
        tracing::info!(slower, "the copy follows the load of the source");
        (self.since, self.records) = (Instant::now(), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_copy_goes_at_half_its_rate_and_comes_back() {
        let throttle = Throttle::new(NonZeroUsize::MIN, None, Duration::ZERO, &Silent);
        let mut pace = Pace::new(Some(2.0));
        let mut note = |millis, times| {
            for _ in 0..times {
                pace.note(&throttle, Some(Duration::from_millis(millis)), 100);
            }
            (pace.load.as_ref().map(Load::slower), throttle.is_slowed(), pace.unhindered)
        };
        assert_eq!(note(10, 40), (Some(1), false, 0.0));
        let (slower, is_slowed, unhindered) = note(90, 2);
        assert!(slower == Some(2) && is_slowed && unhindered > 0.0);
        // What it could do is not taken from a time in which it was slow.
        assert_eq!(note(90, 20), (Some(4), true, unhindered));
        assert_eq!(note(10, 20), (Some(2), true, unhindered));
        assert_eq!(note(10, 20), (Some(1), false, unhindered));
    }

    #[test]
    fn without_a_factor_nothing_is_watched() {
        let throttle = Throttle::new(NonZeroUsize::MIN, None, Duration::ZERO, &Silent);
        let mut pace = Pace::new(None);
        for millis in 0..100 {
            pace.note(&throttle, Some(Duration::from_millis(millis)), 100);
        }
        assert!(!throttle.is_slowed());
    }
}
