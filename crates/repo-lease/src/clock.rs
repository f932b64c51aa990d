//! The clock by which an observer waits.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A clock that never goes back: the time of an observer who waits whether a holder renews
/// its lease. Only differences of one clock are used, and never for the safety of a write.
pub trait MonotonicClock: Send + Sync + fmt::Debug {
    /// The time since a moment that stays the same.
    fn now(&self) -> Duration;
}

/// The monotonic clock of the system; tokio's own where its time is paused.
#[derive(Debug, Clone, Copy)]
pub struct SystemMonotonicClock(Instant);

impl Default for SystemMonotonicClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl MonotonicClock for SystemMonotonicClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that moves only by [`advance`](Self::advance), for tests: that the time of a lease
/// has passed is then said, and not waited for.
#[derive(Debug, Default)]
pub struct ManualMonotonicClock(Mutex<Duration>);

impl ManualMonotonicClock {
    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(time);
    }
}

impl MonotonicClock for ManualMonotonicClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
