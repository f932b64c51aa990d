//! Reading items by key: consistent, a hundred a request.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::Record;
use repo_core::{EntityId, Key, Result};

use crate::cache::Table;
use crate::item::{Item, id_of, key, record_of};
use crate::layout::{CREATED, GENERATION, PURGED, VERSION};
use crate::retry::{backoff, patiently};
use crate::shared::Shared;

/// Most keys in one request (Amazon DynamoDB API Reference, `BatchGetItem`).
pub(crate) const KEYS_AT_ONCE: usize = 100;
/// Requests under way at the same time for one call.
const REQUESTS_AT_ONCE: usize = 8;

/// Which attributes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All.
    Everything,
    /// Those that say which state the item is in; all where the history is kept.
    State,
}

/// What is read of which table.
pub(crate) type Asked = HashMap<String, KeysAndAttributes>;

impl Shared {
    /// The records of `ids`, in their order.
    pub(crate) async fn get_many(
        &self,
        table: &Arc<Table>,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let collection = &table.layout.schema.collection;
        let mut seen = HashSet::with_capacity(ids.len());
        let distinct: Vec<(Arc<Table>, EntityId)> = ids
            .iter()
            .filter(|id| seen.insert(*id))
            .map(|id| (Arc::clone(table), id.clone()))
            .collect();
        let items = self.fetch("get", &distinct, Wanted::Everything).await?;
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let item = items.get(&Key::new(collection.clone(), id.clone()));
            records.push(match item {
                Some(item) => record_of(&table.layout, item)?,
                None => None,
            });
        }
        Ok(records)
    }

    /// The items of distinct keys, by key.
    pub(crate) async fn fetch(
        &self,
        operation: &'static str,
        keys: &[(Arc<Table>, EntityId)],
        wanted: Wanted,
    ) -> Result<HashMap<Key, Item>> {
        if let [(table, id)] = keys {
            let item = self.fetch_one(operation, table, id).await?;
            let key = Key::new(table.layout.schema.collection.clone(), id.clone());
            return Ok(item.map(|item| (key, item)).into_iter().collect());
        }
        let requests = keys.chunks(KEYS_AT_ONCE).map(<[_]>::to_vec);
        let answers = stream::iter(requests.map(|keys| self.fetch_batch(operation, keys, wanted)))
            .buffer_unordered(REQUESTS_AT_ONCE);
        answers
            .try_fold(HashMap::with_capacity(keys.len()), |mut all, some| async move {
                all.extend(some);
                Ok(all)
            })
            .await
    }

    /// One whole item.
    pub(crate) async fn fetch_one(
        &self,
        operation: &'static str,
        table: &Table,
        id: &EntityId,
    ) -> Result<Option<Item>> {
        let layout = &table.layout;
        let scene = self.repeatable(operation, &layout.table);
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .get_item()
                .table_name(&layout.table)
                .set_key(Some(key(layout, id)))
                .consistent_read(true);
            request.send().await.map_err(|error| scene.failure(&error))
        });
        Ok(answer.await?.item)
    }

    /// At most [`KEYS_AT_ONCE`] items.
    async fn fetch_batch(
        &self,
        operation: &'static str,
        keys: Vec<(Arc<Table>, EntityId)>,
        wanted: Wanted,
    ) -> Result<HashMap<Key, Item>> {
        let tables: HashMap<&str, &Table> =
            keys.iter().map(|(table, _)| (table.layout.table.as_str(), &**table)).collect();
        let asked = asked(operation, self, &keys, wanted)?;
        let items = self.batch_get(operation, asked).await?;
        let mut found = HashMap::with_capacity(items.len());
        for (name, item) in items {
            let Some(table) = tables.get(name.as_str()) else { continue };
            let id = id_of(&table.layout, &item)?;
            found.insert(Key::new(table.layout.schema.collection.clone(), id), item);
        }
        Ok(found)
    }

    /// The items that are asked for, each with its table. Keys that DynamoDB leaves
    /// unprocessed are asked for again.
    pub(crate) async fn batch_get(
        &self,
        operation: &'static str,
        mut asked: Asked,
    ) -> Result<Vec<(String, Item)>> {
        let mut found = Vec::new();
        let mut delays = backon::BackoffBuilder::build(backoff(self.patience));
        while !asked.is_empty() {
            let scene = self.repeatable(operation, &self.location);
            let answer = patiently(self.patience, || async {
                let request = self.client.batch_get_item().set_request_items(Some(asked.clone()));
                request.send().await.map_err(|error| scene.failure(&error))
            })
            .await?;
            let before = found.len();
            for (name, items) in answer.responses.unwrap_or_default() {
                found.extend(items.into_iter().map(|item| (name.clone(), item)));
            }
            asked = answer.unprocessed_keys.unwrap_or_default();
            if asked.is_empty() || found.len() > before {
                continue;
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(scene.later("DynamoDB leaves keys unprocessed").error),
            }
        }
        Ok(found)
    }
}

/// The request for these keys.
fn asked(
    operation: &'static str,
    shared: &Shared,
    keys: &[(Arc<Table>, EntityId)],
    wanted: Wanted,
) -> Result<Asked> {
    let mut by_table: HashMap<&str, (&Table, Vec<Item>)> = HashMap::new();
    for (table, id) in keys {
        let (_, keys) =
            by_table.entry(&table.layout.table).or_insert_with(|| (&**table, Vec::new()));
        keys.push(key(&table.layout, id));
    }
    let mut asked = Asked::with_capacity(by_table.len());
    for (name, (table, keys)) in by_table {
        let mut request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        if wanted == Wanted::State && table.history.is_none() {
            let names = [table.layout.id_name(), VERSION, CREATED, PURGED, GENERATION];
            let places: Vec<String> = (0..names.len()).map(|at| format!("#n{at}")).collect();
            request = request.projection_expression(places.join(", "));
            for (place, name) in places.into_iter().zip(names) {
                request = request.expression_attribute_names(place, name);
            }
        }
        let request = request
            .build()
            .map_err(|source| shared.repeatable(operation, name).malformed(source))?;
        asked.insert(name.to_owned(), request);
    }
    Ok(asked)
}
