//! Requests counted, refused, throttled and lost, by a proxy before the real
//! server.

mod feed;
mod history;
mod history_races;
mod loads;
mod losses;
mod partitions;
#[path = "../../tests/common/proxy.rs"]
mod proxy;
mod refusals;
mod requests;
mod roles;
mod takeovers;
mod throttled;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use proxy::{Fate, Proxy, error};
use repo_core::strategy::{
    Applied, OpenOptions, PrepareChange, Record, StorageStrategy as _, StorageStrategyExt as _,
    StoreUpdate, Tombstone,
};
use repo_core::{
    CollectionName, CollectionSchema, Consistency, Document, Entity, EntityId, ErrorKind,
    FieldPath, Filter, HealthDepth, Key, Plan, Precondition, Query, Result, Timestamp, Version,
    Write, Written,
};

use repo_testkit::servers::{access_key, dynamodb as server};

use crate::{DynamoSettings, DynamoStrategy};

const SECRET: &str = "secretsecretsecret";
const TOKEN: &str = "tokentokentoken";

fn config(endpoint: &str) -> SdkConfig {
    let credentials =
        Credentials::new(access_key(), SECRET, Some(TOKEN.to_owned()), None, "a test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

async fn open(proxy: &Proxy, prefix: &str) -> Result<DynamoStrategy> {
    let settings = DynamoSettings { table_prefix: prefix.to_owned(), ..DynamoSettings::default() };
    let patience = Duration::from_millis(300);
    let options = OpenOptions::default();
    DynamoStrategy::open_patiently(&config(&proxy.url), settings, options, patience).await
}

/// A prepared store behind a proxy, with one record of version 1 in each of
/// two collections.
async fn filled(
    decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
) -> (Proxy, DynamoStrategy) {
    let prefix = format!("f{:016x}", fastrand::u64(..));
    let plain = Proxy::start(&server(), |_, _, _| Fate::Forward).await;
    let store = open(&plain, &prefix).await.unwrap();
    let schemas = ["items", "notes"]
        .map(|name| CollectionSchema::undeclared(CollectionName::new(name).unwrap()));
    store.prepare(&schemas).await.unwrap();
    for name in ["items", "notes"] {
        store.save(key(name, "there"), document("there")).await.unwrap();
    }
    let proxy = Proxy::start(&server(), decide).await;
    let store = open(&proxy, &prefix).await.unwrap();
    store.get(&key("items", "there").collection, &id("there")).await.unwrap();
    proxy.take();
    (proxy, store)
}

fn id(text: &str) -> EntityId {
    EntityId::new(text).unwrap()
}

fn key(collection: &str, text: &str) -> Key {
    Key::new(CollectionName::new(collection).unwrap(), id(text))
}

fn document(text: &str) -> Document {
    Document::parse(&format!("{{\"id\":\"{text}\"}}")).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn put(collection: &str, text: &str, precondition: Precondition) -> Write {
    Write::put(key(collection, text), document(text), precondition)
}

fn throttled() -> Fate {
    error(400, "ProvisionedThroughputExceededException", "slow down")
}

/// The answer to a transaction that met another one.
fn conflict() -> String {
    let answer = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "canceled",
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
    });
    answer.to_string()
}

/// A handle on the same store that no proxy stands before.
async fn direct(store: &DynamoStrategy) -> DynamoStrategy {
    let table_prefix = store.location().rsplit('/').next().unwrap().to_owned();
    let settings = DynamoSettings { table_prefix, ..DynamoSettings::default() };
    let options = OpenOptions::default();
    DynamoStrategy::open_with(&config(&server()), settings, options).await.unwrap()
}

fn brought(text: &str, number: u64) -> Record {
    let key = key("items", text);
    Record::Live(Entity {
        collection: key.collection,
        id: key.id,
        version: version(number),
        created_at: Timestamp::from_micros(1).unwrap(),
        updated_at: Timestamp::from_micros(1).unwrap(),
        document: document(text),
    })
}
