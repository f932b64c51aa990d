//! What the operations of one kind took.

use std::time::Duration;

use cli_output::failure::ErrorView;
use repo_core::{Error, Result};
use serde::Serialize;

use super::bounded::Millis;
use super::requirements::Rate;

/// How much of the rate has to be reached: what is begun in the last moment ends after it.
const ENOUGH: f64 = 0.95;

/// What operations of one kind took, as they come. Bounded by the rate and the time.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Microseconds of those that succeeded.
    took: Vec<u32>,
    failed: u64,
    first_failure: Option<Error>,
}

/// The same, summed up.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) required_per_second: u64,
    /// How many succeeded, over the time that they took together, or that was given.
    pub(super) per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) required_p99_ms: Option<Millis>,
    pub(super) failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_failure: Option<ErrorView>,
    /// At least 95 of 100 of the rate, p99 as required, and no failure.
    pub(super) met: bool,
}

impl Times {
    pub(super) fn add(&mut self, took: Duration, done: Result<()>) {
        match done {
            Ok(()) => self.took.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)),
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert(error);
            }
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }

    /// Sums up; `None` for a kind that is not asked for.
    pub(super) fn figures(
        mut self,
        required: Rate,
        over: Duration,
        required_p99_ms: Option<Millis>,
    ) -> Option<Figures> {
        if required.get() == 0 {
            return None;
        }
        self.took.sort_unstable();
        let per_second = self.took.len() as f64 / over.as_secs_f64();
        let p99_ms = self.share(99);
        let in_time = match (p99_ms, required_p99_ms) {
            (Some(took), Some(most)) => took <= most.get(),
            (Some(_), None) => true,
            (None, _) => false,
        };
        Some(Figures {
            required_per_second: required.get(),
            per_second,
            p50_ms: self.share(50),
            p99_ms,
            max_ms: self.share(100),
            required_p99_ms,
            failed: self.failed,
            first_failure: self.first_failure.as_ref().map(ErrorView::new),
            met: in_time && self.failed == 0 && per_second >= required.get() as f64 * ENOUGH,
        })
    }

    /// The milliseconds in which so many of 100 were done, of sorted ones.
    fn share(&self, percent: usize) -> Option<f64> {
        let rank = (self.took.len() * percent).div_ceil(100);
        let micros = self.took.get(rank.checked_sub(1)?)?;
        Some(f64::from(*micros) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use repo_core::ErrorKind;

    use super::*;

    fn hundred() -> Times {
        let mut times = Times::default();
        for millis in (1..=100).rev() {
            times.add(Duration::from_millis(millis), Ok(()));
        }
        times
    }

    fn figures(times: Times, rate: u64, p99: Option<&str>) -> Figures {
        let p99 = p99.map(|text| serde_json::from_str(text).unwrap());
        times.figures(Rate::new(rate).unwrap(), Duration::from_secs(1), p99).unwrap()
    }

    #[test]
    fn shares_are_of_all_that_was_measured() {
        let found = figures(hundred(), 100, None);
        assert_eq!((found.p50_ms, found.p99_ms), (Some(50.0), Some(99.0)));
        assert_eq!((found.max_ms, found.per_second), (Some(100.0), 100.0));
        assert!(found.met);
        let mut one = Times::default();
        one.add(Duration::from_millis(7), Ok(()));
        assert_eq!(figures(one, 1, None).p50_ms, Some(7.0));
    }

    #[test]
    fn what_is_too_slow_too_little_or_failed_is_not_met() {
        assert!(figures(hundred(), 105, Some("99")).met);
        assert!(!figures(hundred(), 106, None).met);
        assert!(!figures(hundred(), 100, Some("98.9")).met);
        assert!(!figures(Times::default(), 1, None).met);
        let mut failed = Times::default();
        failed.add(Duration::ZERO, Err(Error::new(ErrorKind::Unavailable, "commit", "busy")));
        let mut all = hundred();
        all.join(failed);
        let found = figures(all, 100, None);
        assert!(!found.met && found.failed == 1 && found.first_failure.is_some());
        assert!(hundred().figures(Rate::default(), Duration::from_secs(1), None).is_none());
    }
}
