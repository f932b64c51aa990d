//! Taking times in pairs, and what the pairs say together.
//!
//! Ours and raw run in turn, and which goes first changes with every pair: a
//! machine that is slower for a while is slower for both.

use std::time::{Duration, Instant};

use repo_core::Result;
use serde::Serialize;

use crate::row::Measure;

/// How long some operations took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// The time of all of them.
    pub elapsed: Duration,
    /// How many they were, 1 or more.
    pub operations: usize,
}

impl Timed {
    /// Seconds for one operation.
    #[must_use]
    pub fn seconds_each(self) -> f64 {
        // Far fewer than 2^52 operations.
        #[allow(clippy::cast_precision_loss)]
        let operations = self.operations.max(1) as f64;
        self.elapsed.as_secs_f64() / operations
    }
}

/// Runs `work` against the clock.
pub(crate) async fn timed(
    operations: usize,
    work: impl Future<Output = Result<()>>,
) -> Result<Timed> {
    let begin = Instant::now();
    work.await?;
    Ok(Timed { elapsed: begin.elapsed(), operations })
}

/// Runs blocking `work` against the clock.
pub(crate) fn timed_here(operations: usize, work: impl FnOnce() -> Result<()>) -> Result<Timed> {
    let begin = Instant::now();
    work()?;
    Ok(Timed { elapsed: begin.elapsed(), operations })
}

/// One time of each side for the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) ours: Timed,
    pub(crate) raw: Timed,
}

impl Pair {
    /// Ours as a multiple of raw, by time or by rate.
    pub(crate) fn ratio(self, measure: Measure) -> f64 {
        let (ours, raw) = (self.ours.seconds_each(), self.raw.seconds_each());
        match measure {
            Measure::Rate => raw / ours,
            Measure::Time | Measure::Memory => ours / raw,
        }
    }
}

/// Takes `count` pairs, after one of each side that does not count.
pub(crate) async fn pairs(
    count: usize,
    mut ours: impl AsyncFnMut() -> Result<Timed>,
    mut raw: impl AsyncFnMut() -> Result<Timed>,
) -> Result<Vec<Pair>> {
    ours().await?;
    raw().await?;
    let mut pairs = Vec::with_capacity(count);
    for at in 0..count {
        let pair = if at % 2 == 0 {
            let ours = ours().await?;
            Pair { ours, raw: raw().await? }
        } else {
            let raw = raw().await?;
            Pair { ours: ours().await?, raw }
        };
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The middle of some figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half are no larger, half no smaller.
    pub median: f64,
    /// A quarter are no larger.
    pub low: f64,
    /// A quarter are no smaller.
    pub high: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// The spread of some figures; of none it is all zero.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (figures.first(), figures.last()) else {
            return Self { median: 0.0, low: 0.0, high: 0.0, least: 0.0, most: 0.0 };
        };
        let last = figures.len() - 1;
        // The figure at a place between the first and the last; between two
        // figures it is their middle.
        let at = |quarters: usize| {
            let place = last * quarters;
            f64::midpoint(figures[place / 4], figures[place.div_ceil(4)])
        };
        Self { median: at(2), low: at(1), high: at(3), least: *least, most: *most }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn time(millis: u64, operations: usize) -> Timed {
        Timed { elapsed: Duration::from_millis(millis), operations }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let all = |figures: &[f64]| {
            let of = Spread::of(figures.iter().copied());
            [of.least, of.low, of.median, of.high, of.most]
        };
        assert_eq!(all(&[3.0, 1.0, 100.0]), [1.0, 2.0, 3.0, 51.5, 100.0]);
        assert_eq!(all(&[5.0, 4.0, 1.0, 2.0, 100.0]), [1.0, 2.0, 4.0, 5.0, 100.0]);
        assert_eq!(all(&[4.0, 2.0]), [2.0, 3.0, 3.0, 3.0, 4.0]);
        assert_eq!(all(&[7.0]), [7.0; 5]);
        assert_eq!(all(&[]), [0.0; 5]);
    }

    #[test]
    fn a_ratio_is_of_one_operation_each() {
        // 2 ms against 1 ms an operation.
        let pair = Pair { ours: time(20, 10), raw: time(100, 100) };
        assert!((pair.ratio(Measure::Time) - 2.0).abs() < 1e-9);
        assert!((pair.ratio(Measure::Rate) - 0.5).abs() < 1e-9);
    }

    #[tokio::test]
    async fn the_sides_take_turns_and_the_first_round_does_not_count() {
        let order = RefCell::new(String::new());
        let step = async |name: char| {
            order.borrow_mut().push(name);
            let nth = order.borrow().len() as u64;
            Ok(time(nth, 1))
        };
        let pairs = pairs(3, async || step('o').await, async || step('r').await).await.unwrap();
        assert_eq!(*order.borrow(), "ororroor");
        let millis: Vec<_> =
            pairs.iter().map(|p| (p.ours.elapsed.as_millis(), p.raw.elapsed.as_millis())).collect();
        assert_eq!(millis, [(3, 4), (6, 5), (7, 8)]);
    }
}
