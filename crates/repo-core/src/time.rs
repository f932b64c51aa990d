//! Timestamps in microseconds and the clock they come from.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use crate::{Error, ErrorKind};

/// A moment in UTC with microseconds, written as RFC 3339
/// (`2026-03-01T08:00:00.000000Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// `Invalid` outside the years −9999 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self, Error> {
        jiff::Timestamp::from_microsecond(micros)
            .map(Self)
            .map_err(|source| invalid(micros.to_string()).caused_by(source))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Reads RFC 3339 text; digits below a microsecond are cut.
    ///
    /// # Errors
    /// `Invalid` when the text is not a timestamp with an offset.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed: jiff::Timestamp = text
            .parse()
            .map_err(|source: jiff::Error| invalid(text.to_owned()).caused_by(source))?;
        Self::from_micros(parsed.as_microsecond())
    }

    /// The moment `duration` earlier, or the earliest one there is.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let earlier = jiff::SignedDuration::try_from(duration)
            .ok()
            .and_then(|duration| self.0.checked_sub(duration).ok());
        Self(earlier.unwrap_or(jiff::Timestamp::MIN))
    }

    /// The moment `duration` later, or the latest one there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let later = jiff::SignedDuration::try_from(duration)
            .ok()
            .and_then(|duration| self.0.checked_add(duration).ok());
        Self(later.unwrap_or(jiff::Timestamp::MAX))
    }
}

fn invalid(text: String) -> Error {
    Error::new(
        ErrorKind::Invalid,
        "read a timestamp",
        "not an RFC 3339 timestamp such as 2026-03-01T08:00:00.000000Z",
    )
    .with("text", text)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let stamp = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self::from_micros(stamp.as_microsecond()).unwrap_or(Self(jiff::Timestamp::UNIX_EPOCH))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where timestamps come from. Injected, so that tests need not wait.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }
}

/// A clock that moves only by [`advance`](Self::advance).
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.saturating_add(duration);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
