//! How long ago something was, by whichever clock says more.

use std::time::{Duration, Instant, SystemTime};

/// A moment of this process.
///
/// What is known of the log holds for a while: what may be removed is removed an hour after
/// it could have been. A process that was stopped, or a machine that slept, has to notice
/// that it did. The steady clock does not count a sleep, and the wall clock can be set: so
/// the one counts that says more, and a wall clock that went back says that nothing is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was.
    pub(crate) fn age(&self) -> Duration {
        match self.wall.elapsed() {
            Ok(wall) => wall.max(self.steady.elapsed()),
            Err(_) => Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_says_more_counts() {
        let now = Moment::now();
        assert!(now.age() < Duration::from_secs(60));
        let hour = Duration::from_secs(3_600);
        let slept = Moment { wall: now.wall - hour, ..now };
        assert!(slept.age() >= hour);
        let set_back = Moment { wall: now.wall + hour, ..now };
        assert_eq!(set_back.age(), Duration::MAX);
    }
}
