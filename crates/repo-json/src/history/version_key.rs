//! The order of versions in a history.

use std::cmp::Reverse;

/// By what versions are ordered: the newest of an id first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionKey {
    pub(crate) id: Box<str>,
    version: Reverse<u64>,
}

impl VersionKey {
    pub(crate) fn new(id: &str, version: u64) -> Self {
        Self { id: id.into(), version: Reverse(version) }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.0
    }
}
