//! The engine's own items, beside the captured changes: a partition for each of its
//! collections, whose sort keys are the keys of the items.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use repo_core::strategy::{SystemCollection, SystemItem, SystemWrite, never_prepared};
use repo_core::{Error, ErrorKind, Result};

use crate::item::{Item, text};
use crate::layout::{PLACE_KEY, SHARD_KEY};
use crate::retry::{contention, patiently};
use crate::shared::Shared;
use crate::transact::{FAILED, equals, is_there};

const READ: &str = "read the engine's own items";
const WRITE: &str = "write the engine's own items";
const VALUE: &str = "value";

/// Most items of one request; a value has at most 64 KiB, and a page 1 MB.
const PAGE: usize = 100;

impl Shared {
    /// An item of the engine's own.
    pub(crate) async fn system_item(
        &self,
        collection: SystemCollection,
        key: &str,
    ) -> Result<Option<String>> {
        self.check_open(READ)?;
        let scene = self.repeatable(READ, &self.feed_table);
        let found = patiently(self.patience, || async {
            let request = self
                .client
                .get_item()
                .table_name(&self.feed_table)
                .set_key(Some(key_of(collection, key)))
                .consistent_read(true);
            request.send().await.map_err(|error| scene.failure(&error))
        });
        match found.await {
            Ok(answer) => answer.item.as_ref().map(value_of).transpose(),
            Err(error) => self.without_items(error).await.map(|()| None),
        }
    }

    /// The items whose keys begin with `prefix` and come after `after`.
    pub(crate) async fn system_items(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<Vec<SystemItem>> {
        self.check_open(READ)?;
        let mut items = Vec::new();
        let mut after = after.map(str::to_owned);
        while items.len() < most.get() {
            let limit = (most.get() - items.len()).min(PAGE);
            let page = self.items_page(collection, prefix, after.as_deref(), limit).await;
            let (page, ended) = match page {
                Ok(page) => page,
                Err(error) => return self.without_items(error).await.map(|()| items),
            };
            let count = page.len();
            items.extend(page.into_iter().filter(|item| item.key.starts_with(prefix)));
            // No key comes after the first one that has another prefix.
            let last = items.last().map(|item| item.key.clone());
            if ended || count == 0 || last.is_none() || last == after {
                break;
            }
            after = last;
        }
        Ok(items)
    }

    /// At most `limit` items from a prefix or after a key on, and whether no more
    /// follow.
    async fn items_page(
        &self,
        collection: SystemCollection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<SystemItem>, bool)> {
        let (condition, names, values) = following(collection, prefix, after);
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let scene = self.repeatable(READ, &self.feed_table);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .query()
                .table_name(&self.feed_table)
                .consistent_read(true)
                .limit(limit)
                .key_condition_expression(&condition)
                .set_expression_attribute_names(Some(names.clone()))
                .set_expression_attribute_values(Some(values.clone()));
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await?;
        let ended = answer.last_evaluated_key.is_none();
        let items = answer.items.unwrap_or_default();
        let item = |item: &Item| match item.get(PLACE_KEY) {
            Some(AttributeValue::S(key)) => Ok(SystemItem::new(key.clone(), value_of(item)?)),
            _ => Err(corrupt()),
        };
        Ok((items.iter().map(item).collect::<Result<_>>()?, ended))
    }

    /// Changes all of these items or none.
    pub(crate) async fn write_system_items(&self, writes: &[SystemWrite]) -> Result<()> {
        self.check_writable(WRITE)?;
        SystemWrite::check_all(writes)?;
        if writes.is_empty() {
            return Ok(());
        }
        let by = self.check_items(WRITE, writes).await?;
        let actions = writes.iter().map(|write| self.item_action(write));
        let actions = actions.collect::<Result<Vec<_>>>()?;
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        let mut makes = true;
        loop {
            let reasons = match self.transact(WRITE, &self.feed_table, &actions).await {
                Ok(None) => return self.settle_items(WRITE, writes, by).await,
                Ok(Some(reasons)) => reasons,
                Err(error) if makes && is_no_table(&error) => {
                    makes = false;
                    self.prepare_feed_table(WRITE).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let failed =
                writes.iter().zip(&reasons).find(|(_, reason)| reason.code() == Some(FAILED));
            if let Some((write, _)) = failed {
                return Err(write.changed());
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    let scene = self.repeatable(WRITE, &self.feed_table);
                    return Err(scene.later("other writers hold these items").error);
                }
            }
        }
    }

    fn item_action(&self, write: &SystemWrite) -> Result<TransactWriteItem> {
        let condition = match &write.expected {
            None => is_there(PLACE_KEY, false),
            Some(value) => equals(VALUE, text(value)),
        };
        let mut item = key_of(write.collection, &write.key);
        let Some(value) = &write.value else {
            return self.remove_action(WRITE, &self.feed_table, item, condition);
        };
        item.insert(VALUE.to_owned(), text(value));
        self.store_action(WRITE, &self.feed_table, item, Some(condition))
    }

    /// Accepts an error that says that there is no table of ours yet.
    async fn without_items(&self, error: Error) -> Result<()> {
        if !is_no_table(&error) {
            return Err(error);
        }
        let Some(found) = self.read_definition(READ).await? else {
            return Err(never_prepared(READ, &self.location));
        };
        self.check_feed_layout(READ, &found.definition)?;
        if found.definition.feed.is_some() { Err(error) } else { Ok(()) }
    }
}

/// What a query asks for: keys from a prefix or after a key on.
fn following(
    collection: SystemCollection,
    prefix: &str,
    after: Option<&str>,
) -> (String, HashMap<String, String>, HashMap<String, AttributeValue>) {
    let after = after.filter(|after| *after >= prefix);
    let from = after.unwrap_or(prefix);
    let mut condition = "#shard = :shard".to_owned();
    let mut names = HashMap::from([("#shard".to_owned(), SHARD_KEY.to_owned())]);
    let mut values = HashMap::from([(":shard".to_owned(), text(partition(collection)))]);
    // No key is empty, and DynamoDB compares none with nothing.
    if !from.is_empty() {
        let compared = if after.is_some() { ">" } else { ">=" };
        condition = format!("{condition} AND #place {compared} :from");
        names.insert("#place".to_owned(), PLACE_KEY.to_owned());
        values.insert(":from".to_owned(), text(from));
    }
    (condition, names, values)
}

/// Whether a request failed because its table is not there, or is one with other keys.
fn is_no_table(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid)
}

fn partition(collection: SystemCollection) -> String {
    // A generation begins with a digit.
    format!("items.{collection}")
}

fn key_of(collection: SystemCollection, key: &str) -> Item {
    let partition = (SHARD_KEY.to_owned(), text(partition(collection)));
    Item::from([partition, (PLACE_KEY.to_owned(), text(key))])
}

fn value_of(item: &Item) -> Result<String> {
    match item.get(VALUE) {
        Some(AttributeValue::S(value)) => Ok(value.clone()),
        _ => Err(corrupt()),
    }
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, READ, "an item of the engine's own cannot be read")
        .hint("another program wrote it; restore the table of changes from a backup")
}
