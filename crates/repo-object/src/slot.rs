//! Where a document is, and what is kept in memory of a record.

use std::num::NonZeroU32;

use repo_core::Version;

use crate::hex::Hex16;

/// The object that holds a document: a frame of the log, or a part of the documents of a run
/// by its number among those that the state knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source(u64);

/// The same, to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Log(u64),
    Part(u32),
}

/// Set in the number of a part.
const PART: u64 = 1 << 63;

impl Source {
    /// A frame; `None` for a number beyond all that there can be.
    pub(crate) fn log(number: u64) -> Option<Self> {
        (number < PART).then_some(Self(number))
    }

    pub(crate) fn part(at: u32) -> Self {
        Self(PART | u64::from(at))
    }

    pub(crate) fn kind(self) -> SourceKind {
        match self.0 & PART {
            0 => SourceKind::Log(self.0),
            // Its other bits are those of a `u32`.
            _ => SourceKind::Part(u32::try_from(self.0 & !PART).unwrap_or(u32::MAX)),
        }
    }
}

/// Where a document is, and what it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Source,
    /// The byte of the object where its text begins.
    pub(crate) offset: u32,
    /// Bytes of its text.
    pub(crate) len: NonZeroU32,
    /// The first half of its digest.
    pub(crate) digest: Hex16,
}

impl Place {
    /// Whether another one holds an equal document.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// A record. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) version: Version,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// `None` for a tombstone.
    pub(crate) place: Option<Place>,
}

impl Slot {
    pub(crate) fn is_live(&self) -> bool {
        self.place.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert_eq!(std::mem::size_of::<Slot>(), 56);
    }

    #[test]
    fn a_source_is_a_frame_or_a_part() {
        assert_eq!(Source::log(7).unwrap().kind(), SourceKind::Log(7));
        assert_eq!(Source::log(PART), None);
        for at in [0, 7, u32::MAX] {
            assert_eq!(Source::part(at).kind(), SourceKind::Part(at));
        }
    }
}
