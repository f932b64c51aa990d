//! Changes of what is kept, by its number.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Applied, OlderState, OlderVersion, VersionWrite, check_version_writes};
use repo_core::{CollectionName, DEFAULT_MAX_ENTITY_BYTES, Error, ErrorKind, Result};

use super::item::{added_item, key_of, older_of};
use crate::item::Item;
use crate::layout::{CREATED, DOCUMENT, REMOVED, VERSION};
use crate::retry::patiently;
use crate::shared::Shared;

const WRITE: &str = "change the history";

/// Requests under way at the same time for one call.
const AT_ONCE: usize = 32;

impl Shared {
    /// Changes what is kept of older versions.
    pub(crate) async fn write_versions(
        &self,
        collection: &CollectionName,
        writes: Vec<VersionWrite>,
    ) -> Result<Vec<Applied>> {
        self.check_writable(WRITE)?;
        check_version_writes(&writes)?;
        writes.iter().try_for_each(|write| check_document(collection, write))?;
        let history = self.kept_history(WRITE, collection).await?.number;
        self.check_apply(WRITE).await?;
        let forgotten = |write: &VersionWrite| match write {
            VersionWrite::Clear(id, version) | VersionWrite::Remove(id, version) => {
                Some((id.clone(), *version))
            }
            VersionWrite::Add(_) | VersionWrite::Attribute(..) => None,
        };
        // First, so that nothing is left of a version that is gone.
        let forgotten: Vec<_> = writes.iter().filter_map(forgotten).collect();
        self.forget_attributions(WRITE, history, collection, &forgotten).await?;
        let written =
            writes.into_iter().map(|write| self.write_version(history, collection, write));
        stream::iter(written).buffered(AT_ONCE).try_collect().await
    }

    async fn write_version(
        &self,
        history: u64,
        collection: &CollectionName,
        write: VersionWrite,
    ) -> Result<Applied> {
        let (id, version) = write.of();
        let key = key_of(history, collection, id, version);
        let changed = match write {
            VersionWrite::Add(added) => return self.add_version(history, collection, &added).await,
            VersionWrite::Attribute(id, version, by) => {
                return self.add_attribution(WRITE, history, collection, (&id, version, &by)).await;
            }
            VersionWrite::Clear(..) => self.clear_version(&key).await?,
            VersionWrite::Remove(..) => self.remove_version(&key).await?,
        };
        Ok(if changed { Applied::Applied } else { Applied::Equal })
    }

    async fn add_version(
        &self,
        history: u64,
        collection: &CollectionName,
        added: &OlderVersion,
    ) -> Result<Applied> {
        let item = added_item(history, collection, added);
        let stored = self.store_version(WRITE, item, false).await?;
        let stored = stored.map(|item| older_of(&added.id, &item)).transpose()?;
        Ok(added.compare_to_stored(stored.as_ref()))
    }

    /// Leaves a mark of a version; whether it was more than that.
    async fn clear_version(&self, key: &Item) -> Result<bool> {
        let scene = self.repeatable(WRITE, &self.versions_table);
        patiently(self.patience, || async {
            let request = self
                .client
                .update_item()
                .table_name(&self.versions_table)
                .set_key(Some(key.clone()))
                .update_expression("SET #removed = :removed REMOVE #created, #document")
                .condition_expression(
                    "attribute_exists(#version) AND attribute_not_exists(#removed)",
                )
                .expression_attribute_names("#removed", REMOVED)
                .expression_attribute_names("#created", CREATED)
                .expression_attribute_names("#document", DOCUMENT)
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":removed", AttributeValue::Bool(true));
            match request.send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }

    /// Removes a version; whether it was there.
    async fn remove_version(&self, key: &Item) -> Result<bool> {
        let scene = self.repeatable(WRITE, &self.versions_table);
        patiently(self.patience, || async {
            let request = self
                .client
                .delete_item()
                .table_name(&self.versions_table)
                .set_key(Some(key.clone()))
                .condition_expression("attribute_exists(#version)")
                .expression_attribute_names("#version", VERSION);
            match request.send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }
}

/// Refuses a document that no item holds, before anything is written.
fn check_document(collection: &CollectionName, write: &VersionWrite) -> Result<()> {
    let VersionWrite::Add(added) = write else { return Ok(()) };
    let OlderState::Live { document, .. } = &added.state else { return Ok(()) };
    if document.size() <= DEFAULT_MAX_ENTITY_BYTES {
        return Ok(());
    }
    let why = "the document of an older version is larger than DynamoDB holds";
    Err(Error::new(ErrorKind::LimitExceeded, WRITE, why)
        .with("collection", collection)
        .with("id", &added.id)
        .with("version", added.version)
        .with("bytes", document.size())
        .with("limit", DEFAULT_MAX_ENTITY_BYTES)
        .hint("add the version as removed instead"))
}
