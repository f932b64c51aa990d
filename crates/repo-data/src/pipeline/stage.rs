//! What a stage is.

use async_trait::async_trait;
use repo_core::Result;

use crate::storage_manager::{Content, Metadata};

/// What goes through a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The content.
    pub content: Content,
    /// What is kept beside it.
    pub metadata: Metadata,
}

impl Item {
    /// Content without metadata.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self { content, metadata: Metadata::new() }
    }
}

/// A stage that says whether an item is good. A closure `Fn(&Item) -> Result<()>` is one.
#[async_trait]
pub trait Validator: Send + Sync {
    /// # Errors
    /// Why the item is refused; `Invalid` where the caller can change it.
    async fn validate(&self, item: &Item) -> Result<()>;
}

/// A stage that makes an item of another. A closure `Fn(Item) -> Result<Item>` is one.
#[async_trait]
pub trait Processor: Send + Sync {
    /// # Errors
    /// Why the item cannot be processed.
    async fn process(&self, item: Item) -> Result<Item>;
}

#[async_trait]
impl<F: Fn(&Item) -> Result<()> + Send + Sync> Validator for F {
    async fn validate(&self, item: &Item) -> Result<()> {
        self(item)
    }
}

#[async_trait]
impl<F: Fn(Item) -> Result<Item> + Send + Sync> Processor for F {
    async fn process(&self, item: Item) -> Result<Item> {
        self(item)
    }
}
