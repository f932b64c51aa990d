//! The places of the holders of one lease.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most holders of a shared lease at the same time. Who takes the lease from all of them does
/// it in one commit, with two keys besides one for each; the smallest limit of a store is 50.
pub const MAX_SHARED_HOLDERS: usize = 32;

/// The place of a holder, below [`MAX_SHARED_HOLDERS`]. Each has one record for its renewals,
/// whoever is in it, so that records do not grow in number with acquisitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Slot(u8);

impl Slot {
    /// The place of an exclusive holder.
    pub(crate) const FIRST: Self = Self(0);

    /// Every place, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).take(MAX_SHARED_HOLDERS).map(Self)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl From<Slot> for u8 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

impl TryFrom<u8> for Slot {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        let is_one = usize::from(number) < MAX_SHARED_HOLDERS;
        is_one.then_some(Self(number)).ok_or("a lease has 32 places")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_holders() {
        assert_eq!(Slot::all().count(), MAX_SHARED_HOLDERS);
        assert_eq!(Slot::all().next(), Some(Slot::FIRST));
        let last = Slot::all().last().map(u8::from);
        assert_eq!(last, Some(31));
        assert!(Slot::try_from(31).is_ok() && Slot::try_from(32).is_err());
    }
}
