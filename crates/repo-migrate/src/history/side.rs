//! What a side of a run keeps of the past, in its own words.

use std::num::NonZeroUsize;

use repo_core::strategy::{
    Applied, Erasures, OlderThan, OlderVersion, SystemCollection, SystemItem, SystemWrite,
    VersionWrite,
};
use repo_core::{Attribution, CollectionName, EntityId, ErrorKind, Result, Version};

use crate::store_reference::StoreReference;

impl StoreReference {
    /// As the method of the store.
    pub(crate) async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let found = self.store.older_versions(collection, of, most).await;
        found.map_err(|error| self.err(error))
    }

    /// As the method of the store; nobody, where a store keeps histories without it.
    pub(crate) async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let found = match self.store.attributions(collection, of).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => vec![None; of.len()],
            found => found.map_err(|error| self.err(error))?,
        };
        self.expect_answers(found.len(), of.len())?;
        Ok(found)
    }

    /// As the method of the store.
    pub(crate) async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        let asked = writes.len();
        let answers = self.store.write_versions(collection, writes).await;
        let answers = answers.map_err(|error| self.err(error))?;
        self.expect_answers(answers.len(), asked)?;
        Ok(answers)
    }

    /// As the method of the store.
    pub(crate) async fn system_items(
        &self,
        of: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        let found = self.store.system_items(of, prefix, after, most).await;
        found.map_err(|error| self.err(error))
    }

    /// Whether the engine keeps an item of these collections in it.
    ///
    /// # Errors
    /// `Unsupported` for a store that can keep none.
    pub(crate) async fn has_items(
        &self,
        of: impl Iterator<Item = SystemCollection>,
    ) -> Result<bool> {
        for of in of {
            match self.system_items(of, "", None, NonZeroUsize::MIN).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Ok(found) if found.is_empty() => {}
                found => return found.map(|_| true),
            }
        }
        Ok(false)
    }

    /// What was erased from a collection of it.
    pub(crate) async fn erasures(&self, collection: &CollectionName) -> Result<Erasures> {
        Erasures::read(&*self.store, collection).await.map_err(|error| self.err(error))
    }

    /// As the method of the store.
    pub(crate) async fn write_system_items(&self, writes: Vec<SystemWrite>) -> Result<()> {
        self.store.write_system_items(writes).await.map_err(|error| self.err(error))
    }
}
