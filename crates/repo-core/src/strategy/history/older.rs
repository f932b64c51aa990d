//! Versions that were replaced.

use std::collections::BTreeSet;

use crate::strategy::{Applied, Record};
use crate::{
    Attribution, CollectionName, Document, Entity, EntityId, Error, ErrorKind, Result, Timestamp,
    Version,
};

/// A version of a record that was replaced by a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OlderVersion {
    /// The id of the record.
    pub id: EntityId,
    /// The version.
    pub version: Version,
    /// When it was written.
    pub updated_at: Timestamp,
    /// What it was.
    pub state: OlderState,
}

/// What a version that was replaced is known to have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OlderState {
    /// A live entity.
    Live {
        /// When the entity was created.
        created_at: Timestamp,
        /// Its document.
        document: Document,
    },
    /// A deleted id.
    Deleted,
    /// What it was is not kept any more; only that it was there.
    Removed,
}

impl OlderVersion {
    /// A version of a record.
    #[must_use]
    pub const fn new(
        id: EntityId,
        version: Version,
        updated_at: Timestamp,
        state: OlderState,
    ) -> Self {
        Self { id, version, updated_at, state }
    }

    /// The entity that it was, where it was live.
    #[must_use]
    pub fn into_entity(self, collection: CollectionName) -> Option<Entity> {
        let OlderState::Live { created_at, document } = self.state else { return None };
        let Self { id, version, updated_at, .. } = self;
        Some(Entity { collection, id, version, created_at, updated_at, document })
    }

    /// Whether both say the same of one version. Timestamps do not count, as in
    /// [`Record::same_content`].
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        let same = match (&self.state, &other.state) {
            (
                OlderState::Live { document: mine, .. },
                OlderState::Live { document: theirs, .. },
            ) => mine.equals(theirs),
            (mine, theirs) => mine == theirs,
        };
        self.id == other.id && self.version == other.version && same
    }

    /// For strategies: what adding it answers against the `stored` one of the same
    /// version.
    #[must_use]
    pub fn compare_to_stored(&self, stored: Option<&Self>) -> Applied {
        match stored {
            None => Applied::Applied,
            Some(stored) if self.same_content(stored) => Applied::Equal,
            Some(_) => Applied::Diverged,
        }
    }
}

impl From<Record> for OlderVersion {
    fn from(record: Record) -> Self {
        match record {
            Record::Live(entity) => Self {
                id: entity.id,
                version: entity.version,
                updated_at: entity.updated_at,
                state: OlderState::Live {
                    created_at: entity.created_at,
                    document: entity.document,
                },
            },
            Record::Tombstone(tombstone) => Self {
                id: tombstone.id,
                version: tombstone.version,
                updated_at: tombstone.deleted_at,
                state: OlderState::Deleted,
            },
        }
    }
}

/// The versions of an id that are asked for: those below one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OlderThan {
    /// The id.
    pub id: EntityId,
    /// Every version that is asked for is below this one.
    pub version: Version,
    /// And none is below this one.
    pub oldest: Version,
}

impl OlderThan {
    /// Every version of `id` below `version`.
    #[must_use]
    pub const fn new(id: EntityId, version: Version) -> Self {
        Self { id, version, oldest: Version::FIRST }
    }

    /// The lowest number that a store is asked for. Where every version is asked for that is
    /// any number, so that one that is none is met, and called damaged.
    #[must_use]
    pub fn lowest(&self) -> i64 {
        if self.oldest == Version::FIRST { i64::MIN } else { self.oldest.as_i64() }
    }

    /// Those of them that are `oldest`, or newer.
    #[must_use]
    pub const fn down_to(mut self, oldest: Version) -> Self {
        self.oldest = oldest;
        self
    }
}

/// A change of what is kept of an older version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionWrite {
    /// Keeps this version, unless one is kept under its number.
    Add(OlderVersion),
    /// Forgets what a version was and who wrote it, but not that it was there.
    Clear(EntityId, Version),
    /// Forgets a version, and who wrote it.
    Remove(EntityId, Version),
    /// Keeps who wrote a version, the stored one or an older one, unless that is known.
    Attribute(EntityId, Version, Attribution),
}

impl VersionWrite {
    /// Most writes of one call.
    pub const MOST: usize = 1_000;

    /// The version that it is about.
    #[must_use]
    pub fn of(&self) -> (&EntityId, Version) {
        match self {
            Self::Add(version) => (&version.id, version.version),
            Self::Clear(id, version)
            | Self::Remove(id, version)
            | Self::Attribute(id, version, _) => (id, *version),
        }
    }
}

/// For strategies: checks the writes of one call.
///
/// # Errors
/// `LimitExceeded` for more than [`VersionWrite::MOST`]; `Invalid` for two of one
/// version.
pub fn check_version_writes(writes: &[VersionWrite]) -> Result<()> {
    const OPERATION: &str = "change the history";
    if writes.len() > VersionWrite::MOST {
        let why = "so many versions cannot be changed in one call";
        return Err(Error::new(ErrorKind::LimitExceeded, OPERATION, why)
            .with("versions", writes.len())
            .with("most", VersionWrite::MOST));
    }
    let mut seen = BTreeSet::new();
    match writes.iter().map(VersionWrite::of).find(|of| !seen.insert(*of)) {
        None => Ok(()),
        Some((id, version)) => {
            let why = "one version is named twice";
            Err(Error::new(ErrorKind::Invalid, OPERATION, why)
                .with("id", id)
                .with("version", version))
        }
    }
}
