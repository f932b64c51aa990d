use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategyExt as _};
use repo_core::{
    CollectionSchema, Document, Error, ErrorKind, MemoryStrategy, Precondition, Result, Schemas,
};
use repo_layers::{Inner, Layer as _, ValidationLayer, WriteContext, check_schemas};

use crate::faults::{hosts, key};

const HOSTS: &str = r#"{
    "type": "object",
    "x-repository": {"collection": "hosts", "idField": "id"},
    "required": ["status"],
    "properties": {"status": {"enum": ["up", "down"]}, "cores": {"type": "integer"}}
}"#;

fn schemas() -> Schemas {
    [CollectionSchema::parse(HOSTS).unwrap()].into_iter().collect()
}

async fn store(layer: ValidationLayer) -> Inner {
    let store = layer.around(Arc::new(MemoryStrategy::new(OpenOptions::default())));
    store.prepare(&schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
    store
}

fn parse(text: &str) -> Document {
    Document::parse(text).unwrap()
}

/// What the schema refuses is refused before the store sees it; `apply` takes
/// what another store accepted.
#[tokio::test]
async fn validation_refuses_what_the_schema_refuses() {
    let store = store(ValidationLayer::new(&schemas()).unwrap()).await;
    for (text, pointer) in [
        (r#"{"id":"h"}"#, ""),
        (r#"{"id":"h","status":"sideways"}"#, "/status"),
        (r#"{"id":"h","status":"up","cores":1.5}"#, "/cores"),
    ] {
        let error = store.save(key("h"), parse(text)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("pointer"), Some(pointer), "{error}");
        assert_eq!(error.context_value("key"), Some("hosts/h"));
    }
    assert_eq!(store.get(&hosts(), &key("h").id).await.unwrap(), None);
    let good = parse(r#"{"id":"h","status":"up","cores":2}"#);
    assert_eq!(store.save(key("h"), good).await.unwrap().version.get(), 1);
}

fn set(
    field: &'static str,
    to: &'static str,
) -> impl Fn(WriteContext<'_>, Document) -> Result<Document> {
    move |_, document| {
        let mut value: serde_json::Value = document.deserialize()?;
        let so_far = value[field].as_str().unwrap_or_default().to_owned();
        value[field] = format!("{so_far}{to}").into();
        Document::from_serialize(&value)
    }
}

fn refuse_unless(
    field: &'static str,
    is: &'static str,
) -> impl Fn(WriteContext<'_>, &Document) -> Result<()> {
    move |_, document| {
        let value: serde_json::Value = document.deserialize()?;
        if value[field] == is {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "check", "refused").with("found", &value[field]))
    }
}

#[tokio::test]
async fn steps_run_in_the_order_in_which_they_were_added() {
    let layer = ValidationLayer::new(&schemas())
        .unwrap()
        .processor(set("note", "a"))
        .validator(refuse_unless("note", "a"))
        .processor(set("note", "b"))
        .validator(refuse_unless("note", "ab"))
        .processor(set("status", "up"));
    let store = store(layer).await;
    store.save(key("h"), parse(r#"{"id":"h"}"#)).await.unwrap();
    let stored = store.get(&hosts(), &key("h").id).await.unwrap().unwrap();
    assert_eq!(stored.document, parse(r#"{"id":"h","note":"ab","status":"up"}"#));

    let error = store.save(key("h"), parse(r#"{"id":"h","note":"x"}"#)).await.unwrap_err();
    assert_eq!(error.context_value("found"), Some("\"xa\""), "{error}");
    assert_eq!(error.context_value("key"), Some("hosts/h"));
}

#[tokio::test]
async fn a_schema_is_checked_after_every_processor() {
    let layer = ValidationLayer::new(&schemas()).unwrap().processor(set("status", "ward"));
    let error =
        store(layer).await.save(key("h"), parse(r#"{"id":"h","status":"up"}"#)).await.unwrap_err();
    assert_eq!(error.context_value("pointer"), Some("/status"), "{error}");
}

#[tokio::test]
async fn a_processor_leaves_the_id_and_the_rules_alone() {
    let up = r#"{"id":"h","status":"up"}"#;
    let changed = ValidationLayer::new(&schemas()).unwrap().processor(set("id", "2"));
    let error = store(changed).await.save(key("h"), parse(up)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.context_value("pointer"), Some("/id"), "{error}");
    assert!(error.hint_text().unwrap().contains("processor"));

    let large = |_: WriteContext<'_>, _| {
        let text = "x".repeat(400 * 1_024);
        Document::parse(&format!(r#"{{"id":"h","status":"up","text":"{text}"}}"#))
    };
    let grown = ValidationLayer::new(&schemas()).unwrap().processor(large);
    let error = store(grown).await.save(key("h"), parse(up)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.context_value("limit").is_some(), "{error}");
}

#[tokio::test]
async fn a_step_is_told_of_the_write() {
    let only_new = |context: WriteContext<'_>, _: &Document| {
        if context.precondition == Precondition::Absent && context.key.id.as_str() == "h" {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "check", "not a new host"))
    };
    let store = store(ValidationLayer::new(&Schemas::default()).unwrap().validator(only_new)).await;
    store.create(key("h"), parse(r#"{"id":"h"}"#)).await.unwrap();
    store.save(key("h"), parse(r#"{"id":"h"}"#)).await.unwrap_err();
    store.create(key("i"), parse(r#"{"id":"i"}"#)).await.unwrap_err();
}

#[test]
fn a_schema_that_is_none_is_refused_with_its_collection() {
    let broken = HOSTS.replace("\"enum\": [\"up\", \"down\"]", "\"type\": \"stringy\"");
    let schemas: Schemas = [CollectionSchema::parse(&broken).unwrap()].into_iter().collect();
    for error in [check_schemas(&schemas).unwrap_err(), ValidationLayer::new(&schemas).unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(error.context_value("collection"), Some("hosts"), "{error}");
        assert_eq!(error.context_value("pointer"), Some("/properties/status/type"), "{error}");
    }
}
