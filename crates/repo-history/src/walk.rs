//! Which version was valid at a time, found by walking from the newest version to the
//! oldest.

use std::ops::RangeInclusive;

use repo_core::strategy::{OlderState, OlderVersion};
use repo_core::{Timestamp, Version};

/// A version is valid from its effective time on: the latest time of it and of every
/// version before it. So clocks that go back do not reorder versions, and the valid
/// one is the newest that has no later time at or below it.
#[derive(Debug)]
pub(crate) struct Walk {
    at: Timestamp,
    valid: Option<OlderVersion>,
    /// The oldest version seen whose effective time is later, and whether it is only
    /// known to have been.
    later: Option<(Version, bool)>,
}

/// What a walk found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This version, and the ones behind it that nobody knows: one of them may have
    /// been valid in its place.
    Valid(OlderVersion, Option<RangeInclusive<u64>>),
    /// The record was not there.
    Nothing,
    /// What was valid is not kept any more.
    Removed(Version),
}

impl Walk {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { at, valid: None, later: None }
    }

    /// Sees the next older version.
    pub(crate) fn see(&mut self, version: OlderVersion) {
        if version.updated_at > self.at {
            self.valid = None;
            self.later = Some((version.version, version.state == OlderState::Removed));
        } else if self.valid.is_none() {
            self.valid = Some(version);
        }
    }

    /// The newest version that was valid, as far as was walked.
    pub(crate) fn valid(&self) -> Option<Version> {
        self.valid.as_ref().map(|version| version.version)
    }

    pub(crate) fn end(self) -> Found {
        match (self.valid, self.later) {
            (Some(valid), _) if valid.state == OlderState::Removed => Found::Removed(valid.version),
            (Some(valid), later) => {
                let unknown = later.and_then(|(later, _)| between(valid.version, later));
                Found::Valid(valid, unknown)
            }
            // Retention removed what was before it.
            (None, Some((later, true))) => Found::Removed(later),
            (None, _) => Found::Nothing,
        }
    }
}

/// The versions between two.
pub(crate) fn between(older: Version, newer: Version) -> Option<RangeInclusive<u64>> {
    let (first, last) = (older.get() + 1, newer.get() - 1);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use repo_core::EntityId;

    use super::*;

    /// What is found at a time; versions from the newest to the oldest, each with
    /// its time.
    fn found(at: i64, versions: &[(u64, i64, OlderState)]) -> Found {
        let time = |micros| Timestamp::from_micros(micros).unwrap();
        let mut walk = Walk::new(time(at));
        for (version, updated_at, state) in versions {
            let (id, version) = (EntityId::new("a").unwrap(), Version::new(*version).unwrap());
            walk.see(OlderVersion::new(id, version, time(*updated_at), state.clone()));
        }
        walk.end()
    }

    fn version(found: Found) -> (u64, Option<RangeInclusive<u64>>) {
        match found {
            Found::Valid(version, unknown) => (version.version.get(), unknown),
            Found::Nothing => (0, None),
            Found::Removed(version) => panic!("{version} was removed"),
        }
    }

    #[test]
    fn the_newest_version_of_a_time_is_valid() {
        let versions = [3, 2, 1].map(|n| (n, n as i64 * 10, OlderState::Deleted));
        for (at, expected) in [(9, 0), (10, 1), (29, 2), (30, 3), (99, 3)] {
            assert_eq!(version(found(at, &versions)), (expected, None), "at {at}");
        }
        assert_eq!(found(9, &[]), Found::Nothing);
    }

    #[test]
    fn a_clock_that_goes_back_reorders_nothing() {
        let times = [(4, 25), (3, 20), (2, 30), (1, 10)];
        let versions = times.map(|(n, at)| (n, at, OlderState::Deleted));
        for (at, expected) in [(9, 0), (10, 1), (20, 1), (25, 1), (29, 1), (30, 4)] {
            assert_eq!(version(found(at, &versions)), (expected, None), "at {at}");
        }
    }

    #[test]
    fn versions_that_nobody_knows_are_named() {
        let versions = [(7, 70, OlderState::Deleted), (3, 30, OlderState::Deleted)];
        assert_eq!(version(found(50, &versions)), (3, Some(4..=6)));
        assert_eq!(version(found(70, &versions)), (7, None));
    }

    #[test]
    fn what_was_removed_is_no_answer() {
        let versions = [(3, 30, OlderState::Deleted), (2, 20, OlderState::Removed)];
        let removed = Version::new(2).unwrap();
        assert_eq!(version(found(30, &versions)), (3, None));
        assert_eq!(found(29, &versions), Found::Removed(removed));
        assert_eq!(found(19, &versions), Found::Removed(removed));
    }
}
