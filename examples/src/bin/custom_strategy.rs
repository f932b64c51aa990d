//! A storage strategy of your own, without touching the engine.
//!
//! `audit` keeps records as another strategy does and writes a line for each
//! acknowledged write. It is registered like the built-in ones and chosen by
//! `storage.strategy`.
//!
//! ```text
//! cargo run --bin custom_strategy
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;

use async_trait::async_trait;
use repo_core::strategy::read_settings;
use repo_core::strategy::{
    MemoryFactory, OpenOptions, Registry, StorageStrategy, StorageStrategyExt as _, StrategyFactory,
};
use repo_core::{CollectionName, CollectionSchema, Document, Key, Result, Write, Written};
use repo_layers::{Inner, Layer};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The settings under `storage.audit_strategy`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditSettings {
    /// What each line begins with.
    prefix: String,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { prefix: "audit".to_owned() }
    }
}

#[derive(Debug)]
struct AuditFactory;

#[async_trait]
impl StrategyFactory for AuditFactory {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn summary(&self) -> &'static str {
        "memory, with a line for each acknowledged write"
    }

    fn settings_key(&self) -> &'static str {
        "audit_strategy"
    }

    fn check(&self, settings: &Json) -> Result<()> {
        read_settings::<AuditSettings>("storage.audit_strategy", settings).map(|_| ())
    }

    fn settings_schema(&self) -> Json {
        json!({
            "type": "object",
            "properties": { "prefix": { "type": "string", "default": "audit" } },
            "additionalProperties": false
        })
    }

    fn settings_from_url(&self, url: &str) -> Result<Option<Json>> {
        Ok(url.strip_prefix("audit:").map(|prefix| json!({ "prefix": prefix })))
    }

    async fn open(
        &self,
        settings: &Json,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        let settings: AuditSettings = read_settings("storage.audit_strategy", settings)?;
        let inner = MemoryFactory.open(&json!({}), options).await?;
        Ok(Audit { prefix: settings.prefix }.around(inner))
    }
}

/// Reports what was written. It is a layer: what it does not mention goes to the
/// strategy that it stands around, and back.
#[derive(Debug)]
struct Audit {
    prefix: String,
}

impl Layer for Audit {
    async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let written = inner.commit(writes).await?;
        for (key, answer) in keys.iter().zip(&written) {
            if let Some(version) = answer.version() {
                println!("{}: {key} is now at version {version}", self.prefix);
            }
        }
        Ok(written)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let registry = Registry::new().with(MemoryFactory).with(AuditFactory);
    let settings = json!({ "prefix": "saved" });
    let store = registry.get("audit")?.open(&settings, OpenOptions::default()).await?;

    let notes: CollectionName = "notes".parse()?;
    store.prepare(&[CollectionSchema::undeclared(notes.clone())]).await?;
    let key = Key::new(notes, "note-1".parse()?);
    store.create(key.clone(), Document::parse(r#"{"id": "note-1", "text": "hello"}"#)?).await?;
    store.save(key.clone(), Document::parse(r#"{"id": "note-1", "text": "again"}"#)?).await?;
    store.delete(key).await?;
    store.close().await
}
