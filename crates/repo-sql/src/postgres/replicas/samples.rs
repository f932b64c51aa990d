//! Where the primary server was, and when: what says how far a replica has to be.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most samples that are kept.
const MOST: usize = 64;

/// Where the primary server was: behind everything that it had committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Position {
    /// The system identifier, which its physical copies share.
    pub(in crate::postgres) cluster: Arc<str>,
    /// Positions of different timelines cannot be compared.
    pub(in crate::postgres) timeline: u64,
    /// The place in its write-ahead log.
    pub(in crate::postgres) at: u64,
}

/// When the primary server was asked, and how many writes of this handle had been
/// acknowledged by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    writes: u64,
}

/// What a read has to see, besides the handle's own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Everything that was acknowledged that long ago.
    Age(Duration),
    /// Everything before a place of a timeline.
    Position {
        /// The timeline.
        timeline: u64,
        /// The place.
        at: u64,
    },
}

/// The positions of the primary server that are known, by when it was asked.
#[derive(Debug)]
pub(super) struct Samples {
    /// How far they are apart at least.
    spacing: Duration,
    /// How many writes of this handle were done.
    writes: AtomicU64,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    cluster: Arc<str>,
    timeline: u64,
    /// None is from before the handle's last write.
    samples: VecDeque<(Begun, u64)>,
}

impl Samples {
    pub(super) fn new(spacing: Duration) -> Self {
        Self { spacing, writes: AtomicU64::new(0), known: Mutex::default() }
    }

    /// The handle has written, or may have. To be called before the caller is told.
    pub(super) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called before the primary server is asked where it is.
    pub(super) fn begin(&self) -> Begun {
        Begun { at: Instant::now(), writes: self.writes.load(Ordering::SeqCst) }
    }

    /// Notes what the primary server answered.
    pub(super) fn note(&self, begun: Begun, position: &Position) {
        let writes = self.writes.load(Ordering::SeqCst);
        let mut known = self.lock();
        known.take_if(|known| {
            known.cluster != position.cluster || known.timeline != position.timeline
        });
        let known = known.get_or_insert_with(|| Known {
            cluster: Arc::clone(&position.cluster),
            timeline: position.timeline,
            samples: VecDeque::new(),
        });
        known.samples.retain(|(begun, _)| begun.writes >= writes);
        // What comes close behind another one asks for more, and is hardly younger.
        let is_close = |(last, _): &(Begun, u64)| {
            last.writes >= begun.writes
                && begun.at.saturating_duration_since(last.at) < self.spacing
        };
        if begun.writes < writes || known.samples.back().is_some_and(is_close) {
            return;
        }
        if known.samples.len() == MOST {
            known.samples.pop_front();
        }
        known.samples.push_back((begun, position.at));
    }

    /// Where a replica has to be for a read that begins `now`: at the first place that is
    /// known to be far enough. `None` where none is.
    pub(super) fn needed(&self, bound: Bound, now: Instant) -> Option<Position> {
        let writes = self.writes.load(Ordering::SeqCst);
        let known = self.lock();
        let known = known.as_ref()?;
        let first = |most: Option<Duration>| {
            let is_young = |begun: &Begun| {
                most.is_none_or(|most| now.saturating_duration_since(begun.at) < most)
            };
            let far_enough =
                known.samples.iter().filter(|(begun, _)| begun.writes >= writes && is_young(begun));
            far_enough.map(|(_, at)| *at).min()
        };
        let at = match bound {
            Bound::Age(most) => first(Some(most))?,
            Bound::Position { timeline, .. } if timeline != known.timeline => return None,
            Bound::Position { at, .. } if writes == 0 => at,
            Bound::Position { at, .. } => at.max(first(None)?),
        };
        Some(Position { cluster: Arc::clone(&known.cluster), timeline: known.timeline, at })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn position(timeline: u64, at: u64) -> Position {
        Position { cluster: "c".into(), timeline, at }
    }

    fn place(samples: &Samples, bound: Bound, now: Instant) -> Option<u64> {
        samples.needed(bound, now).map(|position| position.at)
    }

    /// Samples at 0, 1, 2, … seconds, whose places are 100, 101, 102, …
    fn every_second(samples: &Samples, how_many: u32) -> Instant {
        let start = Instant::now();
        for n in 0..how_many {
            let begun = Begun { at: start + SECOND * n, ..samples.begin() };
            samples.note(begun, &position(1, 100 + u64::from(n)));
        }
        start
    }

    #[test]
    fn an_age_asks_for_the_oldest_place_that_is_young_enough() {
        let samples = Samples::new(SECOND / 2);
        assert_eq!(place(&samples, Bound::Age(SECOND), Instant::now()), None);
        let start = every_second(&samples, 5);
        let now = start + SECOND * 5;
        for (age, at) in [(6, Some(100)), (5, Some(101)), (2, Some(104)), (1, None)] {
            assert_eq!(place(&samples, Bound::Age(SECOND * age), now), at, "{age}");
        }
    }

    #[test]
    fn what_was_known_before_a_write_counts_no_longer() {
        let samples = Samples::new(SECOND / 2);
        let start = every_second(&samples, 3);
        let old = Begun { at: start + SECOND * 3, ..samples.begin() };
        samples.wrote();
        let (now, age) = (start + SECOND * 3, Bound::Age(SECOND * 9));
        assert_eq!(place(&samples, age, now), None);
        // It was asked before the write, and the answer came after it.
        samples.note(old, &position(1, 103));
        assert_eq!(place(&samples, age, now), None);
        samples.note(Begun { at: now, ..samples.begin() }, &position(1, 104));
        assert_eq!(place(&samples, age, now), Some(104));
        let before = Bound::Position { timeline: 1, at: 7 };
        assert_eq!(place(&samples, before, now), Some(104));
        assert_eq!(place(&samples, Bound::Position { timeline: 1, at: 200 }, now), Some(200));
    }

    #[test]
    fn places_of_another_timeline_are_not_compared() {
        let samples = Samples::new(SECOND / 2);
        let start = every_second(&samples, 3);
        assert_eq!(place(&samples, Bound::Position { timeline: 1, at: 7 }, start), Some(7));
        assert_eq!(place(&samples, Bound::Position { timeline: 2, at: 7 }, start), None);
        let now = start + SECOND * 3;
        samples.note(Begun { at: now, ..samples.begin() }, &position(2, 50));
        assert_eq!(place(&samples, Bound::Age(SECOND * 9), now), Some(50));
        assert_eq!(place(&samples, Bound::Position { timeline: 1, at: 7 }, now), None);
        assert_eq!(place(&samples, Bound::Position { timeline: 2, at: 7 }, now), Some(7));
    }

    #[test]
    fn many_samples_take_little_room_and_keep_their_distance() {
        let samples = Samples::new(SECOND * 2);
        let start = every_second(&samples, 1_000);
        let kept = samples.lock().as_ref().unwrap().samples.len();
        assert_eq!(kept, MOST);
        // Every second one, the last 64 of them.
        let oldest = place(&samples, Bound::Age(SECOND * 5_000), start + SECOND * 1_000);
        assert_eq!(oldest, Some(100 + 998 - 2 * (MOST as u64 - 1)));
    }
}
