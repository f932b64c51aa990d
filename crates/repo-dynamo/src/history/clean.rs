//! Removing what histories that have ended left.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::{ErrorKind, Result};

use super::item::history_of;
use crate::definition::Definition;
use crate::item::Item;
use crate::layout::{RECORD_OF_KEY, VERSION};
use crate::own_tables::REMOVED_AT_ONCE;
use crate::retry::patiently;
use crate::shared::Shared;

/// Requests under way at the same time.
const AT_ONCE: usize = 8;

impl Shared {
    /// Removes every version of histories that had ended when the store's record said
    /// this. One that began later has a higher number.
    pub(super) async fn remove_ended(
        &self,
        operation: &'static str,
        definition: &Definition,
    ) -> Result<()> {
        let Some(histories) = &definition.histories else { return Ok(()) };
        if histories.ended <= histories.removed {
            return Ok(());
        }
        let kept: BTreeSet<u64> = histories.kept.values().map(|kept| kept.number).collect();
        let is_left = |item: &Item| {
            history_of(item)
                .is_some_and(|number| number <= histories.last && !kept.contains(&number))
        };
        let mut start = None;
        loop {
            let page = self.version_keys(operation, start).await;
            if page.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                // Somebody removed the whole table.
                return Ok(());
            }
            let (mut keys, next) = page?;
            keys.retain(is_left);
            let parts = keys.chunks(REMOVED_AT_ONCE).map(<[Item]>::to_vec);
            let removed =
                parts.map(|keys| self.remove_items(operation, &self.versions_table, keys));
            stream::iter(removed).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            match next {
                Some(key) => start = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// A page of the keys of all versions, and where the next one begins.
    async fn version_keys(
        &self,
        operation: &'static str,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        self.check_open(operation)?;
        let scene = self.repeatable(operation, &self.versions_table);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .scan()
                .table_name(&self.versions_table)
                .consistent_read(true)
                .projection_expression("#record, #version")
                .expression_attribute_names("#record", RECORD_OF_KEY)
                .expression_attribute_names("#version", VERSION)
                .set_exclusive_start_key(start.clone());
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}
