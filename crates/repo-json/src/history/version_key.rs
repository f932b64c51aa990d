//! The order of versions in a history.

use std::cmp::Reverse;

/// By what lines are ordered: the newest version of an id first, and who wrote a version
/// behind what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionKey {
    pub(crate) id: Box<str>,
    version: Reverse<u64>,
    /// Whether the line says who wrote the version.
    pub(super) attributes: bool,
}

impl VersionKey {
    pub(crate) fn new(id: &str, version: u64) -> Self {
        Self { id: id.into(), version: Reverse(version), attributes: false }
    }

    /// That of the line which says who wrote the version.
    pub(super) fn attributing(self) -> Self {
        Self { attributes: true, ..self }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.0
    }
}
