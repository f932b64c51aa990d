//! Removing everything that is known of a record.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    Applied, Erasure, OlderState, OlderVersion, Remnant, StorageStrategyExt as _, VersionWrite,
    as_stored,
};
use repo_core::{EntityId, Error, ErrorKind, Key, Result, Version};

use crate::History;
use crate::versions::highest;

const ERASE: &str = "erase a record";
/// Versions that are removed together: their documents are read to find them.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

/// What [`History::erase`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// The mark that is left: what comes from another store or an archive up to this
    /// version is not taken in.
    pub mark: Erasure,
    /// Older versions that were removed.
    pub versions: u64,
    /// Tags that were removed.
    pub tags: u64,
    /// What may still hold a document of it.
    pub remnants: Vec<Remnant>,
}

impl History {
    /// Removes everything that the store holds of a record: the entity, its older
    /// versions, who wrote them, its tags, and what is left in files. Its id and the
    /// version of its deletion stay, as of every deleted record, and a mark, so that
    /// [migrations and imports](Erasure) bring nothing of it back. Also works where no
    /// history is kept. After an error or an interruption it is run again.
    ///
    /// Consumers of the feed learn of the deletion. What they keep themselves, dead letters
    /// among it, is not removed by this.
    ///
    /// # Errors
    /// `NotFound` when the store knows nothing of the id; `Invalid` for a reason that
    /// [`Erasure::new`] refuses; `Locked` while the store takes part in a live migration;
    /// `Unsupported` for a store that keeps no marks;
    /// `Unavailable` while others write the record, or use what has to be rewritten; those
    /// of the store.
    pub async fn erase(&self, id: &EntityId, reason: &str) -> Result<Erased> {
        let now = self.clock.now();
        // Refuses a reason before anything is done.
        Erasure::check_reason(reason)?;
        self.refuse_moving(ERASE).await?;
        let key = Key::new(self.collection.clone(), id.clone());
        let marked = Erasure::read(&*self.store, &key).await?;
        let through = match self.delete(&key).await? {
            Some(deleted) => deleted,
            None => {
                let known = self.kept_versions(id, highest()?).await?;
                let highest = known.first().map(|older| older.version);
                let marked = marked.as_ref().map(|mark| mark.through);
                highest.max(marked).ok_or_else(|| self.not_found(id, "no such entity"))?
            }
        };
        let through = marked.as_ref().map_or(through, |mark| mark.through.max(through));
        let mark = Erasure::new(through, now, reason)?;
        self.store.write_system_items(vec![mark.write(&key, marked.as_ref())?]).await?;
        let versions = self.remove_versions(id, through).await?;
        let mut tags = 0;
        for tag in self.tags(id).await? {
            self.untag(id, &tag.name).await?;
            tags += 1;
        }
        let ids = std::slice::from_ref(id);
        let remnants = self.store.scrub(&self.collection, ids).await?;
        Ok(Erased { mark, versions, tags, remnants })
    }

    /// Deletes the entity, if it is there; the version of the tombstone.
    async fn delete(&self, key: &Key) -> Result<Option<Version>> {
        if let Some(deleted) = as_stored(self.store.delete(key.clone())).await? {
            return Ok(Some(deleted));
        }
        match self.newest(&key.id).await? {
            None => Ok(None),
            Some(OlderVersion { state: OlderState::Live { .. }, version, .. }) => {
                let why = "somebody wrote the record meanwhile";
                Err(Error::new(ErrorKind::Unavailable, ERASE, why)
                    .with("key", key)
                    .with("version", version)
                    .hint("stop whoever writes it, and run it again"))
            }
            Some(deleted) => Ok(Some(deleted.version)),
        }
    }

    /// Removes all versions up to this one, and who wrote them.
    async fn remove_versions(&self, id: &EntityId, through: Version) -> Result<u64> {
        if self.kept().await?.is_none() {
            return Ok(0);
        }
        // No older version, as a rule, but who wrote it goes too.
        let last = vec![VersionWrite::Remove(id.clone(), through)];
        let answers = self.store.write_versions(&self.collection, last).await?;
        let mut removed = answers.iter().filter(|a| **a == Applied::Applied).count() as u64;
        loop {
            let found = self.kept_versions(id, through).await?;
            if found.is_empty() {
                return Ok(removed);
            }
            removed += found.len() as u64;
            let remove = |older: OlderVersion| VersionWrite::Remove(older.id, older.version);
            let writes = found.into_iter().map(remove).collect();
            self.store.write_versions(&self.collection, writes).await?;
        }
    }

    /// Some older versions, where any are kept.
    async fn kept_versions(&self, id: &EntityId, below: Version) -> Result<Vec<OlderVersion>> {
        match self.kept().await? {
            Some(_) => self.older(id, below, AT_ONCE).await,
            None => Ok(Vec::new()),
        }
    }
}
