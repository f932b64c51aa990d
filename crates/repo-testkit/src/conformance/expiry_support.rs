//! What the behaviours of the time to live are written in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use repo_core::strategy::{ScanOptions, StorageStrategyExt as _};
use repo_core::{
    AggregateValue, Aggregation, Clock, CollectionName, CollectionSchema, FieldKind, Filter, Page,
    Query, Result, Schemas, Timestamp,
};
use repo_layers::{ExpiryLayer, Inner, Layer, SweepOptions, Swept, sweep};

use super::support::{collection, count, find_ids, id, key, put, scan};
use crate::{Fixture, Store};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// The collections with a time to live in `until`: a text that is indexed, and a number.
pub(super) const EXPIRING: [&str; 2] = ["sessions", "tickets"];

/// A store with these collections.
pub(super) struct Expiring {
    /// Without the layer.
    pub raw: Store,
    /// With it.
    pub store: Store,
    pub schemas: Arc<Schemas>,
}

fn schema(name: &str, kind: FieldKind) -> CollectionSchema {
    let schema = CollectionSchema::builder(name, "id")
        .field("until", kind, true)
        .field("n", FieldKind::Integer, false)
        .ttl_field("until");
    let indexed = name == "sessions";
    if indexed { schema.index(&["until"]) } else { schema }.build().unwrap()
}

pub(super) async fn expiring(f: &Fixture) -> Expiring {
    let schemas = [schema("sessions", FieldKind::Text), schema("tickets", FieldKind::Integer)];
    let declared: Arc<Schemas> = Arc::new(schemas.iter().cloned().collect());
    let raw = f.open_with(f.options().with_schemas(Arc::clone(&declared))).await.unwrap();
    raw.prepare(&schemas).await.unwrap();
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let store = ExpiryLayer::of(&declared, clock).unwrap().around(Arc::clone(&raw));
    Expiring { raw, store, schemas: declared }
}

/// The field `until` with a time on the day of the fixture's clock, such as `09:00:00`.
pub(super) fn until(collection_name: &str, time: &str) -> String {
    let text = format!("2026-03-01T{time}Z");
    if collection_name == "sessions" {
        return format!(r#""until": "{text}""#);
    }
    let seconds = Timestamp::parse(&text).unwrap().as_micros() / 1_000_000;
    format!(r#""until": {seconds}"#)
}

/// The ids that each kind of read shows, in order; all of `asked` are asked for by id.
pub(super) async fn seen(store: &Store, name: &str, asked: &[&str]) -> Vec<String> {
    let mut found = find_ids(store, name, Query::all()).await;
    found.sort();
    let all = Filter::default();
    assert_eq!(count(store, name, &all).await, found.len() as u64, "counted");
    let grouped = Aggregation::new(all).count().unwrap().strong();
    let rows = store.aggregate(&collection(name), &grouped).await.unwrap().rows;
    assert_eq!(rows[0].values[0], AggregateValue::Count(found.len() as u64), "grouped");
    let records = scan(store, name, ScanOptions::default()).await.unwrap();
    let live = records.iter().filter(|record| record.is_live());
    let scanned: BTreeSet<String> = live.map(|record| record.id().to_string()).collect();
    assert_eq!(scanned.into_iter().collect::<Vec<_>>(), found, "scanned");
    let ids: Vec<_> = asked.iter().map(|text| id(text)).collect();
    let records = store.get_many(&collection(name), &ids).await.unwrap();
    let mut by_id: Vec<String> = records
        .into_iter()
        .flatten()
        .filter(|record| record.is_live())
        .map(|record| record.id().to_string())
        .collect();
    by_id.sort();
    assert_eq!(by_id, found, "by id");
    for text in asked {
        let there = store.get(&collection(name), &id(text)).await.unwrap().is_some();
        assert_eq!(there, found.iter().any(|one| one == text), "{text}");
    }
    found
}

pub(super) async fn swept(f: &Fixture, e: &Expiring, options: &SweepOptions) -> Vec<Swept> {
    sweep(&*e.store, &e.schemas, &*f.clock, options).await.unwrap()
}

/// Writes `sessions/renewed` once, right after a page was read: what another process may do.
#[derive(Debug, Default)]
pub(super) struct Renewing(AtomicBool);

impl Layer for Renewing {
    async fn query(&self, inner: &Inner, name: &CollectionName, query: &Query) -> Result<Page> {
        let page = inner.query(name, query).await?;
        if !self.0.swap(true, Ordering::SeqCst) {
            let renewed = key("sessions", "renewed");
            inner.commit(vec![put(&renewed, &until("sessions", "23:00:00"))]).await?;
        }
        Ok(page)
    }
}
