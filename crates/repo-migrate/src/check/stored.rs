//! What is stored against its schema: every document, every reference.

use repo_core::strategy::{Record, RecordBatch, StorageStrategy};
use repo_core::{CollectionSchema, Entity, Error, Result};
use repo_layers::DocumentValidator;

use super::finding::{Finding, Problem};
use super::stored_references::StoredReferences;

/// Checks what a store holds of one collection, batch by batch.
///
/// ```
/// # async fn check() -> repo_core::Result<()> {
/// use std::sync::Arc;
///
/// use futures::TryStreamExt as _;
/// use repo_core::strategy::{OpenOptions, ScanOptions, StorageStrategy};
/// use repo_core::{CollectionName, CollectionSchema, MemoryStrategy};
/// use repo_migrate::StoredCheck;
///
/// let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// let schema = CollectionSchema::undeclared(CollectionName::new("machines")?);
/// store.prepare(std::slice::from_ref(&schema)).await?;
/// let check = StoredCheck::new(store.as_ref(), &schema).await?;
/// let mut batches = store.scan(&schema.collection, ScanOptions::default()).await?;
/// while let Some(batch) = batches.try_next().await? {
///     assert!(check.findings(batch).await?.1.is_empty());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StoredCheck<'a> {
    store: &'a dyn StorageStrategy,
    schema: &'a CollectionSchema,
    validator: DocumentValidator,
    references: StoredReferences,
}

impl<'a> StoredCheck<'a> {
    /// A check of the collection that `schema` declares.
    ///
    /// # Errors
    /// `ConfigInvalid` for a schema that cannot be used; what the store refuses.
    pub async fn new(store: &'a dyn StorageStrategy, schema: &'a CollectionSchema) -> Result<Self> {
        let validator = DocumentValidator::new(schema)?;
        let references = StoredReferences::new(schema, &store.collections().await?);
        Ok(Self { store, schema, validator, references })
    }

    /// How many live entities a batch of a scan holds, and what does not fit: first
    /// the documents, then the references.
    ///
    /// # Errors
    /// That of a record that cannot be read; what the store refuses.
    pub async fn findings(&self, batch: RecordBatch) -> Result<(u64, Vec<Finding>)> {
        let records = batch.into_records()?;
        let entities: Vec<Entity> = records.into_iter().filter_map(Record::into_live).collect();
        let mut findings: Vec<Finding> =
            entities.iter().filter_map(|entity| self.invalid(entity)).collect();
        findings.extend(self.references.dangling(self.store, &entities).await?);
        Ok((entities.len() as u64, findings))
    }

    fn invalid(&self, entity: &Entity) -> Option<Finding> {
        let most = self.store.capabilities().max_entity_bytes;
        let checked = self
            .schema
            .check_document(&entity.id, &entity.document, most)
            .and_then(|()| match &self.schema.expiry {
                Some(expiry) => expiry.check(&entity.id, &entity.document),
                None => Ok(()),
            })
            .and_then(|()| self.validator.check(&entity.document));
        checked.err().map(|error| invalid(entity, &error))
    }
}

fn invalid(entity: &Entity, error: &Error) -> Finding {
    let reason = error.context_value("reason").unwrap_or(error.message());
    Finding {
        collection: entity.collection.to_string(),
        id: entity.id.to_string(),
        problem: Problem::Invalid,
        pointer: error.context_value("pointer").unwrap_or_default().to_owned(),
        detail: reason.to_owned(),
    }
}
