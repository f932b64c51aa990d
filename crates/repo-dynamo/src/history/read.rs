//! Reading older versions.

use std::num::NonZeroUsize;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{OlderThan, OlderVersion, no_history};
use repo_core::{CollectionName, Error, Result};

use super::item::{older_of, partition};
use crate::cache::TableHistory;
use crate::item::{number, text};
use crate::layout::{RECORD_OF_KEY, VERSION};
use crate::retry::patiently;
use crate::shared::Shared;

pub(super) const READ: &str = "read the history";

/// Ids that are asked for at the same time, each for at most 1 MB.
const AT_ONCE: usize = 16;
/// How often a call starts over because the history ended and began again meanwhile.
const ROUNDS: usize = 5;

/// A part of the older versions of one id.
struct Page {
    of: OlderThan,
    versions: Vec<OlderVersion>,
    /// Whether these are all.
    whole: bool,
}

impl Shared {
    /// At most `most` of the older versions of these ids.
    pub(crate) async fn older_versions(
        &self,
        collection: &CollectionName,
        of: &[OlderThan],
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let mut known = self.table(READ, collection).await?.history;
        for _ in 0..ROUNDS {
            let found = match known {
                Some(history) => self.older(history, collection, of, most.get()).await?,
                None => Vec::new(),
            };
            // What is removed is never answered from what is left: it was all there if
            // the history is kept after the look.
            let now = self.kept_history(READ, collection).await?;
            if known.is_some_and(|known| known.number == now.number) {
                return Ok(found);
            }
            known = Some(now);
        }
        let scene = self.repeatable(READ, &self.versions_table);
        Err(scene.later("others keep ending and beginning the history").error)
    }

    /// The history of a collection as it is now.
    ///
    /// # Errors
    /// `NotFound` where none is kept, or one that begins does not stand yet.
    pub(super) async fn kept_history(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<TableHistory> {
        let table = self.fresh_table(operation, collection).await?;
        match table.history.filter(|history| history.settled) {
            Some(history) => Ok(history),
            None => Err(self.without_history(operation, collection).await),
        }
    }

    async fn without_history(&self, operation: &'static str, collection: &CollectionName) -> Error {
        let found = self.read_definition(operation).await;
        let layout = found.and_then(|found| match found {
            Some(found) => self.check_feed_layout(operation, &found.definition),
            None => Ok(()),
        });
        layout.err().unwrap_or_else(|| no_history(operation, collection, &self.location))
    }

    async fn older(
        &self,
        history: TableHistory,
        collection: &CollectionName,
        of: &[OlderThan],
        most: usize,
    ) -> Result<Vec<OlderVersion>> {
        let first = |of: OlderThan| self.older_page(history.number, collection, of, most);
        let mut pages = stream::iter(of.iter().cloned().map(first)).buffered(AT_ONCE.min(most));
        let mut found = Vec::new();
        while let Some(mut page) = pages.try_next().await? {
            loop {
                found.append(&mut page.versions);
                if found.len() >= most {
                    found.truncate(most);
                    return Ok(found);
                }
                if page.whole {
                    break;
                }
                let room = most.saturating_sub(found.len());
                page = self.older_page(history.number, collection, page.of, room).await?;
            }
        }
        Ok(found)
    }

    /// At most `most` versions of an id, or 1 MB of them, and from where on to ask for
    /// more.
    async fn older_page(
        &self,
        history: u64,
        collection: &CollectionName,
        mut of: OlderThan,
        most: usize,
    ) -> Result<Page> {
        // A range that ends before it begins is an error to the server.
        let newest = of.version.get().saturating_sub(1);
        if newest < of.oldest.get() {
            return Ok(Page { of, versions: Vec::new(), whole: true });
        }
        let limit = i32::try_from(most).unwrap_or(i32::MAX);
        let partition = partition(history, collection, &of.id);
        let scene = self.repeatable(READ, &self.versions_table);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .query()
                .table_name(&self.versions_table)
                .consistent_read(true)
                .scan_index_forward(false)
                .limit(limit)
                .key_condition_expression(
                    "#record = :record AND #version BETWEEN :oldest AND :newest",
                )
                .expression_attribute_names("#record", RECORD_OF_KEY)
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":record", text(&partition))
                .expression_attribute_values(":oldest", number(of.lowest()))
                .expression_attribute_values(":newest", number(newest));
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await?;
        let whole = answer.last_evaluated_key.is_none();
        let items = answer.items.unwrap_or_default();
        let versions = items.iter().map(|item| older_of(&of.id, item));
        let versions = versions.collect::<Result<Vec<_>>>()?;
        if let Some(last) = versions.last() {
            of.version = last.version;
        }
        Ok(Page { of, versions, whole })
    }
}
