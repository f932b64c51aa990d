//! The way back to an older version.

use repo_core::strategy::{OlderState, StorageStrategyExt as _};
use repo_core::{Entity, EntityId, Error, ErrorKind, Key, Precondition, Result, Version};

use crate::History;

impl History {
    /// Stores the document of an older version again, as a new version.
    ///
    /// # Errors
    /// As [`at_version`](Self::at_version); `Invalid` for a version that was deleted;
    /// as a put when the precondition fails.
    pub async fn restore(
        &self,
        id: &EntityId,
        version: Version,
        precondition: Precondition,
    ) -> Result<Entity> {
        let older = self.at_version(id, version).await?;
        let OlderState::Live { document, .. } = older.state else {
            let why = "the entity was deleted in this version";
            return Err(Error::new(ErrorKind::Invalid, "restore a version", why)
                .with("collection", &self.collection)
                .with("id", id)
                .with("version", version)
                .hint("choose a version that has a document, or delete the entity"));
        };
        let key = Key::new(self.collection.clone(), id.clone());
        self.store.put(key, document, precondition).await
    }
}
