//! Who wrote versions, and why: an item beside each version of which that is known.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::Applied;
use repo_core::{Attribution, CollectionName, EntityId, Error, ErrorKind, Key, Result, Version};

use super::item::attribution_key;
use super::read::READ;
use crate::cache::TableHistory;
use crate::get::KEYS_AT_ONCE;
use crate::item::{Item, text};
use crate::layout::{RECORD_OF_KEY, VERSION};
use crate::own_tables::REMOVED_AT_ONCE;
use crate::shared::Shared;

const AUTHOR: &str = "author";
const REASON: &str = "reason";

/// Requests under way at the same time for one call.
const AT_ONCE: usize = 8;
/// How often a call starts over because the history ended and began again meanwhile.
const ROUNDS: usize = 5;

/// Versions by their places in the table.
type Places = HashMap<(String, String), Attribution>;

impl Shared {
    /// Who wrote these versions.
    pub(crate) async fn attributions(
        &self,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        self.check_open(READ)?;
        let mut history = self.kept_history(READ, collection).await?;
        for _ in 0..ROUNDS {
            let found = self.attributions_in(READ, history.number, collection, of).await?;
            // As for the versions: nothing was removed if the history is kept still.
            let now = self.kept_history(READ, collection).await?;
            if now.number == history.number {
                return Ok(found);
            }
            history = now;
        }
        let scene = self.repeatable(READ, &self.versions_table);
        Err(scene.later("others keep ending and beginning the history").error)
    }

    async fn attributions_in(
        &self,
        operation: &'static str,
        history: u64,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<Vec<Option<Attribution>>> {
        let mut seen = HashSet::with_capacity(of.len());
        let distinct: Vec<Item> = of
            .iter()
            .filter(|of| seen.insert(*of))
            .map(|(id, version)| attribution_key(history, collection, id, *version))
            .collect();
        let parts = distinct.chunks(KEYS_AT_ONCE).map(<[Item]>::to_vec);
        let pages = stream::iter(parts.map(|keys| self.attributions_at(operation, keys)));
        let found: Vec<Places> = pages.buffer_unordered(AT_ONCE).try_collect().await?;
        let found: Places = found.into_iter().flatten().collect();
        let find = |(id, version): &(EntityId, Version)| {
            found.get(&place(&attribution_key(history, collection, id, *version))).cloned()
        };
        Ok(of.iter().map(find).collect())
    }

    /// At most [`KEYS_AT_ONCE`] of them.
    async fn attributions_at(&self, operation: &'static str, keys: Vec<Item>) -> Result<Places> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let scene = self.repeatable(operation, &self.versions_table);
        let request = request.build().map_err(|source| scene.malformed(source))?;
        let asked = HashMap::from([(self.versions_table.clone(), request)]);
        let found = self.batch_get(operation, asked).await?;
        let items = found.into_iter().map(|(_, item)| item);
        items.map(|item| Ok((place(&item), attribution_of(&item)?))).collect()
    }

    /// The action of a transaction that keeps who does one of its writes.
    pub(crate) fn attribute_action(
        &self,
        history: TableHistory,
        key: &Key,
        version: Version,
        by: &Attribution,
    ) -> Result<TransactWriteItem> {
        let item = attribution_item(history.number, &key.collection, &key.id, version, by);
        self.store_action("commit", &self.versions_table, item, None)
    }

    /// Keeps who did a write that was done by a record of the store from before the
    /// history.
    pub(super) async fn attribute_late(
        &self,
        history: TableHistory,
        key: &Key,
        version: Version,
        by: &Attribution,
    ) -> Result<()> {
        let item = attribution_item(history.number, &key.collection, &key.id, version, by);
        self.store_version("commit", item, true).await.map(drop)
    }

    /// Keeps who wrote a version, unless that is known.
    pub(super) async fn add_attribution(
        &self,
        operation: &'static str,
        history: u64,
        collection: &CollectionName,
        (id, version, by): (&EntityId, Version, &Attribution),
    ) -> Result<Applied> {
        let item = attribution_item(history, collection, id, version, by);
        let stored = self.store_version(operation, item, false).await?;
        Ok(match stored.as_ref().map(attribution_of).transpose()? {
            None => Applied::Applied,
            Some(stored) if stored == *by => Applied::Equal,
            Some(_) => Applied::Diverged,
        })
    }

    /// Forgets who wrote these versions. Most of nothing is known, so it is looked up.
    pub(super) async fn forget_attributions(
        &self,
        operation: &'static str,
        history: u64,
        collection: &CollectionName,
        of: &[(EntityId, Version)],
    ) -> Result<()> {
        let known = self.attributions_in(operation, history, collection, of).await?;
        let known = of.iter().zip(known).filter(|(_, by)| by.is_some());
        let keys: Vec<Item> = known
            .map(|((id, version), _)| attribution_key(history, collection, id, *version))
            .collect();
        let parts = keys.chunks(REMOVED_AT_ONCE).map(<[Item]>::to_vec);
        let removed = parts.map(|keys| self.remove_items(operation, &self.versions_table, keys));
        stream::iter(removed).buffer_unordered(AT_ONCE).try_collect().await
    }
}

fn attribution_item(
    history: u64,
    collection: &CollectionName,
    id: &EntityId,
    version: Version,
    by: &Attribution,
) -> Item {
    let mut item = attribution_key(history, collection, id, version);
    let both = [(AUTHOR, by.author()), (REASON, by.reason())];
    let given = both.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(value?))));
    item.extend(given);
    item
}

fn attribution_of(item: &Item) -> Result<Attribution> {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    Attribution::new(text(AUTHOR), text(REASON)).map_err(|source| {
        Error::new(ErrorKind::Corrupt, READ, "an attribution cannot be read")
            .with("record", place(item).0)
            .hint("another program wrote this item; restore it from a backup or delete it")
            .caused_by(source)
    })
}

/// Where an item lies.
fn place(item: &Item) -> (String, String) {
    let shown = |name| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.clone(),
        _ => String::new(),
    };
    (shown(RECORD_OF_KEY), shown(VERSION))
}
