//! One shard: a page of it, and the move of what was captured into its blocks.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::types::{Get, TransactGetItem, TransactWriteItem};
use repo_core::{ErrorKind, Key, Result, Version};

use super::item::{Block, Captured, HEAD, INBOX, LAST, Shard, head_of, inbox_place, place_of};
use crate::item::{Item, number, text};
use crate::layout::{PLACE_KEY, SHARD_KEY};
use crate::limits::MAX_ACTIONS;
use crate::retry::patiently;
use crate::shared::Shared;
use crate::transact::{equals, is_there};

pub(super) const READ: &str = "read the change feed";

/// Most inbox items of a page: all of their predecessors are asked for at once.
pub(super) const MOST_MOVED: usize = 90;

/// Captured writes by key and version.
type Inbox = BTreeMap<(Key, Version), Captured>;

/// A part of a shard as one query gave it.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
    /// The last place that was given; `None` where the page ended before it.
    pub(super) head: Option<u64>,
    inbox: Inbox,
    /// Whether nothing follows.
    pub(super) whole: bool,
}

/// What was moved, in its new order.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) changes: Vec<Captured>,
    /// Whether nothing followed in the page.
    pub(super) whole: bool,
}

impl Page {
    /// Whether anything is still to be moved.
    pub(super) fn is_moved(&self) -> bool {
        self.inbox.is_empty()
    }
}

impl Shared {
    /// What is in a shard from a place on: blocks, the head, and the inbox.
    pub(super) async fn feed_page(&self, shard: Shard, from: &str, most: usize) -> Result<Page> {
        let limit = i32::try_from(most).unwrap_or(i32::MAX);
        let answer = self.feed_query(READ, shard, [from, INBOX[1]], limit).await?;
        let mut page = Page { whole: answer.last_evaluated_key.is_none(), ..Page::default() };
        for item in answer.items.unwrap_or_default() {
            let place = place_of(&item)?;
            if place == HEAD {
                page.head = Some(head_of(&item)?);
            } else if place.starts_with(INBOX[0]) {
                insert(&mut page.inbox, Captured::of(&item)?);
            } else {
                page.blocks.push(Block::of(place, &item)?);
            }
        }
        if page.whole || !page.inbox.is_empty() {
            // There is none until something is moved.
            page.head = page.head.or(Some(0));
        }
        Ok(page)
    }

    pub(super) async fn feed_query(
        &self,
        operation: &'static str,
        shard: Shard,
        [from, to]: [&str; 2],
        limit: i32,
    ) -> Result<QueryOutput> {
        let scene = self.repeatable(operation, &self.feed_table);
        patiently(self.patience, || async {
            let request = self
                .client
                .query()
                .table_name(&self.feed_table)
                .consistent_read(true)
                .limit(limit)
                .key_condition_expression("#shard = :shard AND #place BETWEEN :from AND :to")
                .expression_attribute_names("#shard", SHARD_KEY)
                .expression_attribute_names("#place", PLACE_KEY)
                .expression_attribute_values(":shard", shard.partition_value())
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":to", text(to));
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await
    }

    /// Moves the inbox items of a page after its head. `None` when another reader was
    /// faster, or a write is under way.
    pub(super) async fn move_inbox(
        &self,
        shard: Shard,
        head: u64,
        page: Page,
    ) -> Result<Option<Moved>> {
        let mut inbox = page.inbox;
        loop {
            let before = predecessors(&inbox);
            if before.is_empty() {
                break;
            }
            let Some(found) = self.still_in_inbox(shard, &before).await? else {
                return Ok(None);
            };
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|captured| insert(&mut inbox, captured));
            if inbox.len() > MAX_ACTIONS {
                // The next page has them in their order.
                break;
            }
        }
        // In the order of keys and versions: of each key the lower versions come first.
        let whole = page.whole && inbox.len() <= MAX_ACTIONS - 2;
        let moved: Vec<Captured> = inbox.into_values().take(MAX_ACTIONS - 2).collect();
        let requests = self.moves(shard, head, &moved)?;
        let sent = self.transact(READ, &self.feed_table, &requests).await;
        // Whether it was done or not, the next look at the shard shows it.
        let reasons = sent.map_err(|error| match error.kind() {
            ErrorKind::OutcomeUnknown => error.into_kind(ErrorKind::Unavailable),
            _ => error,
        })?;
        Ok(reasons.is_none().then_some(Moved { changes: moved, whole }))
    }

    /// The transaction of a move: the new head over the old one, a block, and the end
    /// of its inbox items.
    fn moves(&self, shard: Shard, head: u64, moved: &[Captured]) -> Result<Vec<TransactWriteItem>> {
        let last = head.saturating_add(moved.len() as u64);
        let mut new = shard.key(HEAD);
        new.insert(LAST.to_owned(), number(last));
        let is_head = match head {
            0 => is_there(PLACE_KEY, false),
            head => equals(LAST, number(head)),
        };
        let block = Block::item(shard, last, moved);
        let is_free = is_there(PLACE_KEY, false);
        let mut requests = vec![
            self.store_action(READ, &self.feed_table, new, Some(is_head))?,
            self.store_action(READ, &self.feed_table, block, Some(is_free))?,
        ];
        for captured in moved {
            let key = shard.key(&inbox_place(&captured.key, captured.mark.version));
            let is_left = is_there(PLACE_KEY, true);
            requests.push(self.remove_action(READ, &self.feed_table, key, is_left)?);
        }
        Ok(requests)
    }

    /// Which of these are in the inbox. `None` while a transaction of one of them is
    /// under way: it may be one that a query does not show yet.
    async fn still_in_inbox(
        &self,
        shard: Shard,
        asked: &[(Key, Version)],
    ) -> Result<Option<Vec<Captured>>> {
        let mut gets = Vec::with_capacity(asked.len());
        for (key, version) in asked.iter().take(MAX_ACTIONS) {
            let get = Get::builder()
                .table_name(&self.feed_table)
                .set_key(Some(shard.key(&inbox_place(key, *version))))
                .build()
                .map_err(|source| self.repeatable(READ, &self.feed_table).malformed(source))?;
            gets.push(TransactGetItem::builder().get(get).build());
        }
        let answer = patiently(self.patience, || async {
            let request = self.client.transact_get_items().set_transact_items(Some(gets.clone()));
            let error = match request.send().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => error,
            };
            if let Some(TransactGetItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                let reasons = canceled.cancellation_reasons.clone().unwrap_or_default();
                return self.canceled(READ, &self.feed_table, reasons).map(|_| None);
            }
            Err(self.repeatable(READ, &self.feed_table).failure(&error))
        });
        let Some(answer) = answer.await? else { return Ok(None) };
        let items = answer.responses.unwrap_or_default().into_iter().filter_map(|one| one.item);
        items
            .filter(|item| !item.is_empty())
            .map(|item| Captured::of(&item))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// The last place that was given in a shard.
    pub(super) async fn feed_head_of(&self, operation: &'static str, shard: Shard) -> Result<u64> {
        let scene = self.repeatable(operation, &self.feed_table);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .get_item()
                .table_name(&self.feed_table)
                .set_key(Some(shard.key(HEAD)))
                .consistent_read(true);
            request.send().await.map_err(|error| scene.failure(&error))
        });
        answer.await?.item.as_ref().map_or(Ok(0), |item: &Item| head_of(item))
    }
}

fn insert(inbox: &mut Inbox, captured: Captured) {
    inbox.insert((captured.key.clone(), captured.mark.version), captured);
}

/// The versions that these were written over and that are not among them.
fn predecessors(inbox: &Inbox) -> Vec<(Key, Version)> {
    let before = inbox.values().filter_map(|captured| {
        let before = (captured.key.clone(), captured.mark.before?);
        (!inbox.contains_key(&before)).then_some(before)
    });
    before.collect()
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionName, EntityId};

    use super::super::item::Mark;
    use super::*;

    #[test]
    fn only_what_is_not_at_hand_is_asked_for() {
        let version = |number| Version::new(number).unwrap();
        let key =
            |id: &str| Key::new(CollectionName::new("items").unwrap(), EntityId::new(id).unwrap());
        let mut inbox = Inbox::new();
        for (id, number, before) in [("a", 3, Some(2)), ("a", 4, Some(3)), ("b", 1, None)] {
            let mark =
                Mark { version: version(number), deleted: false, before: before.map(version) };
            insert(&mut inbox, Captured { key: key(id), mark });
        }
        assert_eq!(predecessors(&inbox), [(key("a"), version(2))]);
    }
}
