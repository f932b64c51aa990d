//! Short words for behaviours of aggregations.

use repo_core::{Aggregates, Aggregation, Filter, Query, Result};

use super::support::{collection, delete, fill, find_ids, key, put};
use crate::Store;

/// An aggregation of everything.
pub(super) fn all() -> Aggregation {
    Aggregation::new(Filter::default())
}

/// How many entities each value of a field has.
pub(super) fn counts_by(field: &str) -> Aggregation {
    all().group_by(field).unwrap().count().unwrap()
}

pub(super) async fn ask(store: &Store, name: &str, asked: &Aggregation) -> Result<Aggregates> {
    store.aggregate(&collection(name), &asked.clone().strong()).await
}

/// The rows as lines of JSON.
pub(super) async fn rows(store: &Store, name: &str, asked: &Aggregation) -> Vec<String> {
    let answer = ask(store, name, asked).await.unwrap();
    answer.rows.iter().map(|row| row.to_json(asked)).collect()
}

/// What is computed of everything, as one line.
pub(super) async fn values(store: &Store, name: &str, asked: &Aggregation) -> String {
    let rows = rows(store, name, asked).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let line = rows[0].strip_prefix("{\"group\":{},\"values\":{").unwrap();
    line.strip_suffix("}}").unwrap().to_owned()
}

/// Stores documents under counted ids; each is the text of its fields.
pub(super) async fn store_all(store: &Store, name: &str, fields: &[&str]) {
    let writes = fields.iter().enumerate();
    fill(store, writes.map(|(n, fields)| put(&key(name, &format!("{n:03}")), fields)).collect())
        .await;
}

/// The row of a group of which entities are counted.
pub(super) fn counted(group: &str, count: u64) -> String {
    format!("{{\"group\":{{{group}}},\"values\":{{\"count\":{count}}}}}")
}

/// Deletes everything that a collection holds.
pub(super) async fn clear(store: &Store, name: &str) {
    let everything = find_ids(store, name, Query::all()).await;
    for id in everything {
        delete(store, &key(name, &id)).await;
    }
}
