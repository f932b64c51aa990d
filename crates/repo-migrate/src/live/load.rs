//! Whether the authority suffers from what the live migration reads of it.
//!
//! Beside its own work the live migration reads a few records again and again, and times that.
//! Slow answers are its own doing, or that of the programs that it is in the way of; either
//! way it goes slower.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use repo_core::strategy::ScanOptions;
use repo_core::{CollectionName, EntityId, Result};

use super::pair::Side;

/// Readings that are looked at together. One of them may be an outlier.
const REMEMBERED: usize = 20;
/// Nobody suffers from an answer within this time, however fast it was in the beginning.
const FAST: Duration = Duration::from_millis(2);
/// How often the rate is halved at most.
const MOST_HALVED: u32 = 6;
/// Records that are read for one reading.
pub(super) const READ: usize = 8;

/// How the answers of a store compare with those of the beginning.
#[derive(Debug)]
pub(super) struct Load {
    /// So many times the time of the beginning is too long.
    factor: f64,
    /// What nearly all of the first answers took; `None` until there were enough.
    first: Option<Duration>,
    recent: VecDeque<Duration>,
    halved: u32,
}

impl Load {
    /// One that has seen nothing.
    pub(super) fn new(factor: f64) -> Self {
        Self { factor, first: None, recent: VecDeque::with_capacity(REMEMBERED), halved: 0 }
    }

    /// Begins anew, for another store.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.factor);
    }

    /// Takes an answer into account; whether the rate changes by it. After a change as many
    /// answers are waited for as before the first one: they show what it has brought.
    pub(super) fn note(&mut self, took: Duration) -> bool {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
        if self.recent.len() < REMEMBERED {
            return false;
        }
        let now = nearly_all(&self.recent);
        let Some(first) = self.first else {
            self.first = Some(now.max(FAST));
            self.recent.clear();
            return false;
        };
        let before = self.halved;
        self.halved = match now.as_secs_f64() >= first.as_secs_f64() * self.factor {
            true => (before + 1).min(MOST_HALVED),
            false => before.saturating_sub(1),
        };
        let changed = self.halved != before;
        if changed {
            self.recent.clear();
        }
        changed
    }

    /// By how much the work is to be slower.
    pub(super) fn slower(&self) -> u32 {
        1 << self.halved
    }

    /// How long to wait after work that took so long.
    pub(super) fn pause_after(&self, took: Duration) -> Duration {
        took * (self.slower() - 1)
    }
}

/// What 95 of 100 stay below.
fn nearly_all(times: &VecDeque<Duration>) -> Duration {
    let mut sorted: Vec<Duration> = times.iter().copied().collect();
    sorted.sort_unstable();
    let place = (sorted.len() * 95).div_ceil(100);
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// How long a store takes to answer with a few of these records.
///
/// # Errors
/// Those of the store.
pub(super) async fn time(side: &Side, name: &CollectionName, ids: &[EntityId]) -> Result<Duration> {
    let few = ids.get(..READ).unwrap_or(ids);
    let begun = Instant::now();
    side.store.get_many(name, few).await?;
    Ok(begun.elapsed())
}

/// Some records to be read again and again; `None` where there is no record.
///
/// # Errors
/// Those of the store.
pub(super) async fn some_records(side: &Side) -> Result<Option<(CollectionName, Vec<EntityId>)>> {
    let few = std::num::NonZeroUsize::new(READ).unwrap_or(std::num::NonZeroUsize::MIN);
    for name in side.store.collections().await? {
        let scan = ScanOptions::default().with_batch_size(few);
        if let Some(batch) = side.store.scan(&name, scan).await?.next().await {
            let records = batch?.records;
            let ids: Vec<EntityId> =
                records.iter().take(READ).map(|record| record.id().clone()).collect();
            if !ids.is_empty() {
                return Ok(Some((name, ids)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(times: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Duration> {
        times.into_iter().map(Duration::from_millis)
    }

    fn noted(load: &mut Load, times: impl IntoIterator<Item = u64>) -> Vec<u32> {
        let mut seen = Vec::new();
        for took in millis(times) {
            if load.note(took) {
                seen.push(load.slower());
            }
        }
        seen
    }

    fn begun() -> Load {
        let mut load = Load::new(2.0);
        assert!(noted(&mut load, [10; REMEMBERED]).is_empty());
        load
    }

    #[test]
    fn the_rate_is_halved_while_answers_are_slow_and_comes_back_by_steps() {
        let mut load = begun();
        assert!(noted(&mut load, [19; 3 * REMEMBERED]).is_empty());
        // Half of what is remembered is from before.
        assert_eq!(noted(&mut load, [20; 2]), [2]);
        assert_eq!(noted(&mut load, [30; 2 * REMEMBERED]), [4, 8]);
        assert_eq!(load.pause_after(Duration::from_millis(10)), Duration::from_millis(70));
        assert_eq!(noted(&mut load, [19; 5 * REMEMBERED]), [4, 2, 1]);
        assert_eq!(load.pause_after(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn it_never_stops() {
        let mut load = begun();
        assert_eq!(noted(&mut load, [900; 20 * REMEMBERED]), [2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn one_slow_answer_of_twenty_is_none() {
        let mut load = begun();
        let one_in_twenty = (0..200).map(|n| if n % 20 == 7 { 900 } else { 10 });
        assert!(noted(&mut load, one_in_twenty).is_empty());
    }

    #[test]
    fn what_is_fast_is_not_compared() {
        let mut load = Load::new(2.0);
        let micros = |n| Duration::from_micros(n);
        assert!((0..REMEMBERED).all(|_| !load.note(micros(20))));
        assert!((0..5 * REMEMBERED).all(|_| !load.note(micros(3_900))));
        assert!((0..REMEMBERED).any(|_| load.note(micros(4_000))));
    }

    #[test]
    fn no_more_is_remembered_than_is_looked_at() {
        let mut load = begun();
        noted(&mut load, [10; 1_000]);
        assert!(load.recent.len() == REMEMBERED && load.recent.capacity() < 4 * REMEMBERED);
    }
}
