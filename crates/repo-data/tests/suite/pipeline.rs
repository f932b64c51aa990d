//! The pipeline before a storage manager.

use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Error, ErrorKind, MemoryStrategy, Result};
use repo_data::pipeline::{Item, Pipeline, Processor, Validator, stages};
use repo_data::storage_manager::{Content, StorageManager, StoreOptions};

async fn manager() -> StorageManager {
    let schemas = StorageManager::schemas("kept").unwrap();
    let mut options = OpenOptions::default();
    options.schemas = Arc::new(schemas.iter().cloned().collect());
    let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(options));
    store.prepare(&schemas).await.unwrap();
    StorageManager::builder(store, "kept").records("records").build().unwrap()
}

struct Slow;

#[async_trait::async_trait]
impl Validator for Slow {
    async fn validate(&self, item: &Item) -> Result<()> {
        tokio::task::yield_now().await;
        match item.content {
            Content::Text(_) => Ok(()),
            _ => Err(Error::new(ErrorKind::Invalid, "validate", "only text is taken")),
        }
    }
}

#[async_trait::async_trait]
impl Processor for Slow {
    async fn process(&self, mut item: Item) -> Result<Item> {
        tokio::task::yield_now().await;
        item.metadata.insert("slow".into(), true.into());
        Ok(item)
    }
}

#[tokio::test]
async fn stages_run_in_their_order() {
    let manager = manager().await;
    let pipeline = Pipeline::builder()
        .processor("lower", stages::normalize_text())
        .validator("text", Slow)
        .validator("small", stages::max_bytes(20))
        .processor("wait", Slow)
        .processor("sign", |mut item: Item| {
            if let Content::Text(text) = &mut item.content {
                text.push_str(" (signed)");
            }
            Ok(item)
        })
        .build()
        .unwrap();
    let item = Item::new(Content::from("  Some TEXT "));
    let options = StoreOptions::default().metadata("slow", false).unwrap();
    let stored = pipeline.store(&manager, "k", item, options).await.unwrap();
    assert_eq!(stored.metadata["slow"], true);
    let found = manager.retrieve("k").await.unwrap();
    assert_eq!(found.content, Content::from("some text (signed)"));

    let refused = async |content| {
        let error = pipeline
            .store(&manager, "other", Item::new(content), StoreOptions::default())
            .await
            .unwrap_err();
        let named = |name| error.context_value(name).unwrap_or_default().to_owned();
        (named("step"), named("stage"))
    };
    let validator = |stage: &str| ("validator".to_owned(), stage.to_owned());
    assert_eq!(refused(Content::from(vec![1])).await, validator("text"));
    assert_eq!(refused(Content::from("x".repeat(21).as_str())).await, validator("small"));
    assert_eq!(refused(Content::from("a\0b")).await, ("store".to_owned(), String::new()));
    assert!(!manager.exists("other").await.unwrap());
}

#[tokio::test]
async fn json_is_held_to_a_schema() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": {"t": {"type": "number", "maximum": 100}},
        "required": ["t"],
    });
    let pipeline = Pipeline::builder()
        .validator("schema", stages::JsonSchema::new(&schema).unwrap())
        .build()
        .unwrap();
    let fits = async |content| pipeline.process(Item::new(content)).await;
    assert!(fits(Content::json(r#"{"t": 23.5}"#).unwrap()).await.is_ok());
    assert!(fits(Content::from(r#"{"t": 1}"#)).await.is_ok());
    assert!(fits(Content::from(br#"{"t": 1}"#.to_vec())).await.is_ok());
    for content in [
        Content::json("{}").unwrap(),
        Content::json(r#"{"t": 101}"#).unwrap(),
        Content::from("no json"),
        Content::from(r#"{"t":1,"t":2}"#),
        Content::from(vec![0xff]),
    ] {
        let refused = fits(content).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(refused.context_value("stage"), Some("schema"));
    }
    for schema in [
        serde_json::json!({"type": "no type"}),
        serde_json::json!({"$ref": "http://127.0.0.1:1/schema.json"}),
    ] {
        let error = stages::JsonSchema::new(&schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    }
}

#[test]
fn stages_have_names_of_their_own() {
    let take = |_: &Item| Ok(());
    for names in [["a", "a"], ["", "b"], ["a", &"x".repeat(65)]] {
        let builder = Pipeline::builder().validator(names[0], take);
        let error = builder.processor(names[1], Ok).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    }
}
