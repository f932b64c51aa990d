//! How long a lease lasts.

use std::fmt;
use std::time::Duration;

use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// How long a lease that is not renewed keeps others away: 100 milliseconds to one day, in
/// whole milliseconds.
///
/// It decides only when others may take over, never whether a write is allowed. On servers a
/// few seconds are short: a holder whose renewals are late for so long loses its lease.
///
/// ```
/// use std::time::Duration;
/// use repo_lease::LeaseTtl;
///
/// let ttl = LeaseTtl::new(Duration::from_secs(10)).unwrap();
/// assert_eq!(ttl.as_duration(), Duration::from_secs(10));
/// assert!(LeaseTtl::new(Duration::from_millis(99)).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct LeaseTtl {
    millis: u64,
}

impl LeaseTtl {
    /// The shortest.
    pub const MIN: Self = Self { millis: 100 };
    /// The longest.
    pub const MAX: Self = Self { millis: 24 * 60 * 60 * 1_000 };

    /// Checks and keeps a time; what is below a millisecond is cut.
    ///
    /// # Errors
    /// `Invalid` outside the range.
    pub fn new(time: Duration) -> Result<Self> {
        u64::try_from(time.as_millis()).ok().and_then(Self::of_millis).ok_or_else(|| {
            let why = "a lease lasts 100 milliseconds to one day";
            Error::new(ErrorKind::Invalid, "lease", why).with("ttl", format!("{time:?}"))
        })
    }

    fn of_millis(millis: u64) -> Option<Self> {
        let ttl = Self { millis };
        (Self::MIN..=Self::MAX).contains(&ttl).then_some(ttl)
    }

    /// As a duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

impl fmt::Display for LeaseTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_duration())
    }
}

impl From<LeaseTtl> for u64 {
    fn from(ttl: LeaseTtl) -> Self {
        ttl.millis
    }
}

impl TryFrom<u64> for LeaseTtl {
    type Error = &'static str;

    fn try_from(millis: u64) -> std::result::Result<Self, Self::Error> {
        Self::of_millis(millis).ok_or("a lease lasts 100 milliseconds to one day")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_of_range_is_refused() {
        let day = Duration::from_secs(24 * 60 * 60);
        for good in [Duration::from_millis(100), Duration::from_secs(10), day] {
            assert_eq!(LeaseTtl::new(good).unwrap().as_duration(), good);
        }
        let cut = LeaseTtl::new(Duration::from_micros(100_999)).unwrap();
        assert_eq!(cut, LeaseTtl::MIN);
        for bad in [Duration::ZERO, Duration::from_micros(99_999), Duration::MAX] {
            assert_eq!(LeaseTtl::new(bad).unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(LeaseTtl::new(day + Duration::from_millis(1)).is_err());
    }
}
