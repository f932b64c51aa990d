//! Tables of the engine's own, beside those of the collections: made once they are
//! needed. The store's record says that one is ours before it is made.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use repo_core::Result;
use repo_core::strategy::{layout_without_changes, never_prepared};

use crate::definition::Definition;
use crate::item::Item;
use crate::layout::FEED_LAYOUT;
use crate::retry::backoff;
use crate::shared::Shared;
use crate::tables::{Keys, is_active};

/// Most items of one request (Amazon DynamoDB API Reference, `BatchWriteItem`).
pub(crate) const REMOVED_AT_ONCE: usize = 25;

/// One of these tables.
#[derive(Debug)]
pub(crate) struct OwnTable<'a> {
    pub(crate) name: &'a str,
    pub(crate) keys: Keys,
    /// Whether the store's record says that it is ours.
    pub(crate) is_known: fn(&Definition) -> bool,
    /// Says so.
    pub(crate) note: fn(&mut Definition),
}

impl Shared {
    /// Makes a table of the engine's own, or waits for it.
    ///
    /// # Errors
    /// `Foreign` for one that is there and not ours; `Unsupported` for a store of a
    /// layout without such tables.
    pub(crate) async fn prepare_own_table(
        &self,
        operation: &'static str,
        wanted: OwnTable<'_>,
    ) -> Result<()> {
        let Some(found) = self.read_definition(operation).await? else {
            return Err(never_prepared(operation, &self.location));
        };
        self.check_feed_layout(operation, &found.definition)?;
        let mut known = (wanted.is_known)(&found.definition);
        let mut table = self.describe(operation, wanted.name).await?;
        if table.is_some() && !known {
            // Somebody may be making it at this moment.
            let again = self.read_definition(operation).await?;
            known = again.is_some_and(|found| (wanted.is_known)(&found.definition));
            if !known {
                return Err(self.foreign(operation, wanted.name));
            }
        }
        if !known {
            self.change_definition(operation, |definition| {
                self.check_feed_layout(operation, definition)?;
                if !(wanted.is_known)(definition) {
                    (wanted.note)(definition);
                }
                Ok(())
            })
            .await?;
        }
        if table.is_none() {
            self.create_own_table(wanted.name, &wanted.keys).await?;
            table = self.describe(operation, wanted.name).await?;
        }
        let Some(found) = table else { return Err(self.foreign(operation, wanted.name)) };
        self.check_own_keys(&found, wanted.name, &wanted.keys)?;
        self.wait_for(wanted.name, is_active).await
    }

    /// Refuses a store of a layout that keeps neither changes nor histories.
    pub(crate) fn check_feed_layout(
        &self,
        operation: &'static str,
        definition: &Definition,
    ) -> Result<()> {
        let layout = definition.layout_version;
        if layout < FEED_LAYOUT {
            return Err(layout_without_changes(operation, &self.location, layout));
        }
        Ok(())
    }

    /// Removes at most [`REMOVED_AT_ONCE`] items.
    pub(crate) async fn remove_items(
        &self,
        operation: &'static str,
        table: &str,
        keys: Vec<Item>,
    ) -> Result<()> {
        let scene = self.repeatable(operation, table);
        let mut deletes = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key)).build();
            let delete = delete.map_err(|source| scene.malformed(source))?;
            deletes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let start = Instant::now();
        let mut delays = backon::BackoffBuilder::build(backoff(self.patience));
        while !deletes.is_empty() {
            let asked = HashMap::from([(table.to_owned(), deletes.clone())]);
            let sent = self.client.batch_write_item().set_request_items(Some(asked)).send().await;
            let failure = match sent {
                Ok(answer) => {
                    let mut unprocessed = answer.unprocessed_items.unwrap_or_default();
                    deletes = unprocessed.remove(table).unwrap_or_default();
                    if deletes.is_empty() {
                        return Ok(());
                    }
                    scene.later("DynamoDB leaves items unprocessed")
                }
                Err(error) => scene.failure(&error),
            };
            let patient = failure.again && start.elapsed() < self.patience;
            match delays.next().filter(|_| patient) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(failure.error),
            }
        }
        Ok(())
    }
}
