//! Removing what no reader gets any more: in bounded work, resumed by the next call.

use futures::future::try_join_all;
use repo_core::Result;

use super::SHARDS;
use super::item::{INBOX, Shard, block_place, place_of};
use crate::definition::Definition;
use crate::own_tables::REMOVED_AT_ONCE;
use crate::shared::Shared;

const CLEAN: &str = "remove old changes";

/// Most items that one call removes from one shard.
const MOST_REMOVED: usize = 2_500;

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
            let limit = i32::try_from(left.min(REMOVED_AT_ONCE)).unwrap_or(i32::MAX);
            let answer = self.feed_query(CLEAN, shard, places, limit).await?;
            let items = answer.items.unwrap_or_default();
            left = left.saturating_sub(items.len());
            let keys = items.iter().map(|item| place_of(item).map(|place| shard.key(place)));
            let keys = keys.collect::<Result<_>>()?;
            self.remove_items(CLEAN, &self.feed_table, keys).await?;
            if answer.last_evaluated_key.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
