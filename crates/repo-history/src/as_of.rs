//! What was valid at a time.

use std::ops::RangeInclusive;

use repo_core::strategy::OlderVersion;
use repo_core::{CollectionName, Entity, EntityId, Error, ErrorKind, Result, Timestamp};

use crate::History;
use crate::versions::AT_ONCE;
use crate::walk::{Found, Walk};

pub(crate) const AS_OF: &str = "read the history";

/// What an id held at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsOf {
    /// The version that was valid, live or deleted; `None` when there was none yet.
    pub version: Option<OlderVersion>,
    /// Versions that were written elsewhere and never came here, any of which may have
    /// been valid instead.
    pub missing: Option<RangeInclusive<u64>>,
}

impl AsOf {
    /// The entity, where one was live.
    #[must_use]
    pub fn into_entity(self, collection: CollectionName) -> Option<Entity> {
        self.version?.into_entity(collection)
    }
}

impl History {
    /// What an id held at a time: what reading it answered then. A version is valid
    /// from the latest time of it and of all before it.
    ///
    /// # Errors
    /// `NotFound` where no history is kept, for a time before it begins, and where
    /// retention removed what was valid.
    pub async fn as_of(&self, id: &EntityId, at: Timestamp) -> Result<AsOf> {
        self.check_begins(at).await?;
        // A tombstone that was purged was written before the history begins.
        let Some(newest) = self.newest(id).await? else {
            return Ok(AsOf { version: None, missing: None });
        };
        let mut below = newest.version;
        let mut walk = Walk::new(at);
        walk.see(newest);
        loop {
            let older = self.older(id, below, AT_ONCE).await?;
            let more = older.len() == AT_ONCE.get();
            for version in older {
                below = version.version;
                walk.see(version);
            }
            if !more {
                // Nothing of it was removed while this looked.
                self.check_begins(at).await?;
                return self.found(id, at, walk.end());
            }
        }
    }

    /// # Errors
    /// `NotFound` for a time before the history begins.
    pub(crate) async fn check_begins(&self, at: Timestamp) -> Result<()> {
        let state = self.state().await?;
        if at >= state.since {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, AS_OF, "the time is before the history begins")
            .with("collection", &self.collection)
            .with("as_of", at)
            .with("history_begins", state.since)
            .hint("ask for a time from then on"))
    }

    pub(crate) fn found(&self, id: &EntityId, at: Timestamp, found: Found) -> Result<AsOf> {
        match found {
            Found::Valid(version, missing) => Ok(AsOf { version: Some(version), missing }),
            Found::Nothing => Ok(AsOf { version: None, missing: None }),
            Found::Removed(version) => Err(self
                .not_found(id, "retention removed what was valid at this time")
                .with("version", version)
                .with("as_of", at)),
        }
    }
}
