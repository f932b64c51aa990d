//! When which operation is due: all kinds together, each at its rate, evenly spread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::requirements::Load;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One entity by its id.
    Read,
    /// One commit.
    Write,
    /// One page.
    Query,
}

/// Hands out the operations of one measurement, each once.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    length: Duration,
    next: AtomicU64,
    reads: u64,
    writes: u64,
    queries: u64,
}

impl Pace {
    /// One that begins now. The load has at least one operation in a second.
    pub(super) fn new(load: &Load, length: Duration) -> Self {
        Self {
            start: Instant::now(),
            length,
            next: AtomicU64::new(0),
            reads: load.reads_per_second.get(),
            writes: load.writes_per_second.get(),
            queries: load.queries_per_second.get(),
        }
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// The next operation and when it is due. `None` once all were handed out, and once twice
    /// the time has passed: a store that is too slow is not asked for the rest.
    pub(super) fn take(&self) -> Option<(Kind, Instant)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let after = Duration::from_secs_f64(number as f64 / self.total().max(1) as f64);
        if after >= self.length || self.start.elapsed() >= self.length * 2 {
            return None;
        }
        Some((self.kind(number), self.start + after))
    }

    fn total(&self) -> u64 {
        self.reads + self.writes + self.queries
    }

    /// The kind of an operation by its number: in every second as many of each as asked for.
    fn kind(&self, number: u64) -> Kind {
        if is_one_of(number, self.reads, self.total()) {
            return Kind::Read;
        }
        // What is left when the reads are taken out.
        let left = number - before(number, self.reads, self.total());
        match is_one_of(left, self.writes, self.writes + self.queries) {
            true => Kind::Write,
            false => Kind::Query,
        }
    }
}

/// How many of the first `number` are chosen when `part` of each `whole` are.
fn before(number: u64, part: u64, whole: u64) -> u64 {
    number * part / whole.max(1)
}

/// Whether the one of this number is chosen.
fn is_one_of(number: u64, part: u64, whole: u64) -> bool {
    before(number + 1, part, whole) > before(number, part, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::stores::requirements::from_text;

    fn kinds(reads: u64, writes: u64, queries: u64, seconds: u64) -> [usize; 3] {
        let text = format!(
            r#"{{"data":{{"entities":100,"document_bytes":64}},
                "load":{{"reads_per_second":{reads},"writes_per_second":{writes},
                         "queries_per_second":{queries}}}}}"#
        );
        let pace = Pace::new(&from_text(&text).load, Duration::from_secs(seconds));
        let mut found = [0; 3];
        let mut last = pace.start();
        while let Some((kind, due)) = pace.take() {
            assert!(due >= last && due < pace.start() + pace.length);
            last = due;
            found[kind as usize] += 1;
        }
        assert_eq!(pace.take(), None);
        found
    }

    #[test]
    fn each_kind_comes_as_often_as_asked_for() {
        assert_eq!(kinds(200, 50, 5, 3), [600, 150, 15]);
        assert_eq!(kinds(1, 1, 1, 2), [2, 2, 2]);
        assert_eq!(kinds(0, 7, 0, 1), [0, 7, 0]);
        assert_eq!(kinds(0, 0, 3, 1), [0, 0, 3]);
        assert_eq!(kinds(3, 0, 1, 4), [12, 0, 4]);
    }
}
