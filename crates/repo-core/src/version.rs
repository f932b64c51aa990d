//! Versions: counted up by one with every write of a key, never down.

use std::fmt;
use std::num::NonZeroU64;

use crate::{Error, ErrorKind};

/// The version of a record: 1 or more, at most `i64::MAX` so that every store
/// can hold it as a signed 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of the first write of a key whose collection has floor 0.
    pub const FIRST: Self = Self(NonZeroU64::MIN);
    /// The highest version.
    pub const MAX: u64 = i64::MAX as u64;

    /// Checks and keeps a version number.
    ///
    /// # Errors
    /// `Invalid` when it is 0 or above [`Version::MAX`].
    pub fn new(number: u64) -> Result<Self, Error> {
        match NonZeroU64::new(number) {
            Some(number) if number.get() <= Self::MAX => Ok(Self(number)),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                "read a version",
                "a version is a whole number from 1 to 9223372036854775807",
            )
            .with("version", number)),
        }
    }

    /// The version of the next write.
    ///
    /// # Errors
    /// `LimitExceeded` at [`Version::MAX`].
    pub fn next(self) -> Result<Self, Error> {
        Self::after(self.get())
    }

    /// The version that follows `number`, which is 0 or more: of a floor, or
    /// of a record.
    ///
    /// # Errors
    /// `LimitExceeded` at [`Version::MAX`].
    pub fn after(number: u64) -> Result<Self, Error> {
        Self::new(number.saturating_add(1))
            .map_err(|error| error.into_kind(ErrorKind::LimitExceeded))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The number as a signed integer, as SQL and DynamoDB keep it.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.get()).unwrap_or(i64::MAX)
    }
}

impl TryFrom<i64> for Version {
    type Error = Error;
    fn try_from(number: i64) -> Result<Self, Error> {
        Self::new(u64::try_from(number).unwrap_or(0))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
