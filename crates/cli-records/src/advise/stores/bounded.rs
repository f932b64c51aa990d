//! Numbers that hold nothing outside of their bounds.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The number; `None` outside of the bounds.
    pub(super) fn new(number: u64) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }

    /// As a size in memory; one that this machine cannot hold is the largest that it can.
    pub(super) fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The least one.
impl<const MIN: u64, const MAX: u64> Default for Bounded<MIN, MAX> {
    fn default() -> Self {
        Self(MIN)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(from)?;
        let why = || D::Error::custom(format!("{number} is not from {MIN} to {MAX}"));
        Self::new(number).ok_or_else(why)
    }
}

/// Milliseconds: more than 0, at most an hour.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(super) struct Millis(f64);

impl Millis {
    /// Most of them.
    const MOST: f64 = 3_600_000.0;

    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if number > 0.0 && number <= Self::MOST {
            return Ok(Self(number));
        }
        let most = Self::MOST;
        Err(D::Error::custom(format!("{number} is not more than 0 and at most {most}")))
    }
}
