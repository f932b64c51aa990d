//! Removing what no reader gets any more: in bounded work, resumed by the next call.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use futures::future::try_join_all;
use repo_core::Result;

use super::SHARDS;
use super::item::{INBOX, Shard, block_place, place_of};
use crate::definition::Definition;
use crate::item::Item;
use crate::retry::backoff;
use crate::shared::Shared;

const CLEAN: &str = "remove old changes";

/// Most items that one call removes from one shard.
const MOST_REMOVED: usize = 2_500;
/// Most items of one request (Amazon DynamoDB API Reference, `BatchWriteItem`).
const AT_ONCE: usize = 25;

impl Shared {
    /// Removes blocks whose last change is at or below `trimmed`.
    pub(super) async fn remove_trimmed(&self, generation: u64, trimmed: &[u64]) -> Result<()> {
        let shards = trimmed.iter().enumerate().filter(|(_, last)| **last > 0);
        let removed = shards.map(|(number, last)| async move {
            let shard = Shard { generation, number };
            self.remove_between(shard, [&block_place(0), &block_place(*last)]).await
        });
        try_join_all(removed).await.map(drop)
    }

    /// Removes what is left of a generation that has ended; whether nothing is. What
    /// cannot be removed is left to the next time that capture is switched on.
    pub(super) async fn remove_generation(&self, generation: u64) -> bool {
        let removed = (0..SHARDS).map(|number| async move {
            let shard = Shard { generation, number };
            self.remove_between(shard, [&block_place(0), INBOX[1]]).await
        });
        match try_join_all(removed).await {
            Ok(whole) => whole.into_iter().all(|whole| whole),
            Err(error) => {
                tracing::warn!(
                    store = %self.location, generation, %error,
                    "changes of a capture that has ended could not be removed yet"
                );
                false
            }
        }
    }

    /// Removes what is left of the generations before the present one, of which no
    /// writer knows any more.
    pub(super) async fn remove_older_generations(&self, definition: &Definition) {
        let Some(now) = definition.captures() else { return };
        let oldest = definition.feed.as_ref().map_or(now, |feed| feed.oldest.max(1));
        for generation in oldest..now {
            if !self.remove_generation(generation).await {
                return;
            }
            let noted = self
                .change_definition(CLEAN, |definition| {
                    if let Some(feed) = &mut definition.feed {
                        feed.oldest = feed.oldest.max(generation.saturating_add(1));
                    }
                    Ok(())
                })
                .await;
            if noted.is_err() {
                // Nothing depends on it: the next time finds nothing to remove.
                return;
            }
        }
    }

    /// Removes the items between two places; whether that is all of them.
    async fn remove_between(&self, shard: Shard, places: [&str; 2]) -> Result<bool> {
        let mut left = MOST_REMOVED;
        while left > 0 {
            let limit = i32::try_from(left.min(AT_ONCE)).unwrap_or(i32::MAX);
            let answer = self.feed_query(CLEAN, shard, places, limit).await?;
            let items = answer.items.unwrap_or_default();
            left = left.saturating_sub(items.len());
            let keys = items.iter().map(|item| place_of(item).map(|place| shard.key(place)));
            self.remove_items(keys.collect::<Result<_>>()?).await?;
            if answer.last_evaluated_key.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes at most [`AT_ONCE`] items.
    async fn remove_items(&self, keys: Vec<Item>) -> Result<()> {
        let scene = self.repeatable(CLEAN, &self.feed_table);
        let mut deletes = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key)).build();
            let delete = delete.map_err(|source| scene.malformed(source))?;
            deletes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let start = Instant::now();
        let mut delays = backon::BackoffBuilder::build(backoff(self.patience));
        while !deletes.is_empty() {
            let asked = HashMap::from([(self.feed_table.clone(), deletes.clone())]);
            let sent = self.client.batch_write_item().set_request_items(Some(asked)).send().await;
            let failure = match sent {
                Ok(answer) => {
                    let mut unprocessed = answer.unprocessed_items.unwrap_or_default();
                    deletes = unprocessed.remove(&self.feed_table).unwrap_or_default();
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
