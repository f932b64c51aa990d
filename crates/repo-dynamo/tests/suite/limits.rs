//! What DynamoDB cannot hold is refused before anything is sent or made.

use crate::common::DynamoPlace;
use repo_core::strategy::{
    Applied, OpenOptions, PrepareChange, Record, StorageStrategy as _, StorageStrategyExt as _,
};
use repo_core::{
    CollectionName, CollectionSchema, Document, Entity, EntityId, ErrorKind, FieldPath, Key,
    Precondition, Timestamp, Version, Write,
};
use repo_dynamo::DynamoStrategy;

fn name() -> CollectionName {
    CollectionName::new("machines").unwrap()
}

fn key(id: &str) -> Key {
    Key::new(name(), EntityId::new(id).unwrap())
}

/// A schema with an index on each of these fields.
fn schema(fields: impl IntoIterator<Item = String>) -> CollectionSchema {
    let mut schema = CollectionSchema::undeclared(name());
    let fields = fields.into_iter();
    schema.indexes = fields.map(|field| vec![FieldPath::parse(&field).unwrap()]).collect();
    schema
}

fn numbered(fields: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    fields.map(|n| format!("field{n}"))
}

/// A document of as many bytes by the formula.
fn document(id: &str, fields: &str, bytes: usize) -> Document {
    let of = |text: usize| {
        let text = "x".repeat(text);
        Document::parse(&format!("{{\"id\":\"{id}\"{fields},\"text\":\"{text}\"}}")).unwrap()
    };
    let least = of(0).size();
    let document = of(bytes - least);
    assert_eq!(document.size(), bytes);
    document
}

/// The record that `apply` would be given.
fn record(id: &str, document: Document) -> Record {
    let at = Timestamp::from_micros(1).unwrap();
    let version = Version::FIRST;
    let Key { collection, id } = key(id);
    Record::Live(Entity { collection, id, version, created_at: at, updated_at: at, document })
}

fn put(id: &str, document: &Document) -> Write {
    Write::put(key(id), document.clone(), Precondition::Any)
}

async fn open(place: &DynamoPlace, max_entity_bytes: usize) -> DynamoStrategy {
    let options = OpenOptions::default().with_max_entity_bytes(max_entity_bytes);
    DynamoStrategy::open_with(&place.config, place.settings(), options).await.unwrap()
}

#[tokio::test]
async fn a_raised_limit_of_the_configuration_does_not_raise_that_of_the_store() {
    let place = DynamoPlace::new();
    let store = open(&place, 1_000_000).await;
    store.prepare(&[schema(["status".to_owned()])]).await.unwrap();
    let most = store.capabilities().max_entity_bytes;
    assert_eq!(most, 380 * 1_024);
    store.save(key("a"), document("a", "", most)).await.unwrap();
    for bytes in [most + 1, 400 * 1_024, 400 * 1_024 + 1, 900_000] {
        let [a, b] = ["a", "b"].map(|id| document(id, "", bytes));
        let errors = [
            store.save(key("a"), a.clone()).await.map(drop).unwrap_err(),
            store.commit(vec![put("b", &b), put("a", &a)]).await.map(drop).unwrap_err(),
            store.apply(vec![record("b", b)]).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{bytes}: {error}");
            assert_eq!(error.context_value("limit"), Some("389120"), "{error}");
        }
    }
    let error = store.save(key("a"), document("a", "", 1_000_001)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "above the limit of the configuration");
    assert_eq!(store.get(&name(), &key("a").id).await.unwrap().unwrap().version.get(), 1);
    assert_eq!(store.get(&name(), &key("b").id).await.unwrap(), None);
}

/// Twenty indexes on two texts of a thousand bytes add more to the item than
/// the limit of a document leaves free. What is within our count, DynamoDB
/// takes.
#[tokio::test]
async fn index_strings_count_towards_the_size_of_an_item() {
    let place = DynamoPlace::new();
    let store = open(&place, OpenOptions::default().max_entity_bytes).await;
    let mut schema = schema(numbered(0..20));
    for (at, fields) in schema.indexes.iter_mut().enumerate() {
        fields.push(FieldPath::parse(&format!("field{}", (at + 1) % 20)).unwrap());
    }
    store.prepare(&[schema]).await.unwrap();
    let text = "y".repeat(1_000);
    let fields: String = numbered(0..20).map(|name| format!(",\"{name}\":\"{text}\"")).collect();
    let mut fits = 0;
    for bytes in (370_000..389_000).step_by(500) {
        match store.save(key("a"), document("a", &fields, bytes)).await {
            Ok(_) => fits = bytes,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
                assert_eq!(error.context_value("limit"), Some("409600"), "{error}");
            }
        }
    }
    assert!((370_000..380_000).contains(&fits), "{fits}");
    let large = document("b", &fields, 388_000);
    let error = store.apply(vec![record("b", large)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let applied = store.apply(vec![record("b", document("b", &fields, fits - 500))]).await;
    assert_eq!(applied.unwrap(), [Applied::Applied]);
}

#[tokio::test]
async fn more_indexes_than_a_table_can_have_are_refused_before_anything_is_made() {
    let place = DynamoPlace::new();
    let store = open(&place, 1_000).await;
    let error = store.prepare(&[schema(numbered(0..21))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("20 indexes"), "{error}");
    assert_eq!(error.context_value("collection"), Some("machines"));
    let tables = place.client().list_tables().send().await.unwrap();
    let ours = |table: &String| table.starts_with(&place.prefix);
    assert!(!tables.table_names().iter().any(ours), "{tables:?}");
}

#[tokio::test]
async fn a_full_set_of_indexes_can_be_changed() {
    let place = DynamoPlace::new();
    let store = open(&place, 1_000).await;
    store.prepare(&[schema(numbered(0..20))]).await.unwrap();
    let prepared = store.prepare(&[schema(numbered(1..21))]).await.unwrap();
    assert_eq!(prepared[0].change, PrepareChange::Updated);
    let table = place.client().describe_table().table_name(place.table("machines"));
    let table = table.send().await.unwrap().table.unwrap();
    let names: Vec<&str> =
        table.global_secondary_indexes().iter().filter_map(|i| i.index_name.as_deref()).collect();
    assert_eq!(names.len(), 20);
    assert!(names.contains(&"field20-index") && !names.contains(&"field0-index"), "{names:?}");
}

#[tokio::test]
async fn fields_with_long_names_can_be_indexed() {
    let place = DynamoPlace::new();
    let store = open(&place, 10_000).await;
    for length in [243, 244, 245, 249, 250, 400] {
        let field = "f".repeat(length);
        store.prepare(&[schema([field.clone()])]).await.unwrap();
        let document = Document::parse(&format!("{{\"id\":\"a\",\"{field}\":1}}")).unwrap();
        store.save(key("a"), document).await.unwrap();
        let client = place.client();
        client.delete_table().table_name(place.table("machines")).send().await.unwrap();
        client.delete_table().table_name(place.table("_store")).send().await.unwrap();
    }
}
