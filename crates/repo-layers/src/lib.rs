//! Layers: strategies around another one, each for one task.
//!
//! A strategy holds the logic of a store. What is the same around every store is
//! a layer, and a layer is a strategy again, so that nothing above it knows it is
//! there:
//!
//! | layer | does | feature |
//! |---|---|---|
//! | [`RetryLayer`] | repeats what failed and was not applied | |
//! | [`TimeoutLayer`] | ends what takes too long | |
//! | [`ConcurrencyLimitLayer`] | lets a number of operations through at once | |
//! | [`RecordLayer`] | counts what queries ask for, without the values | |
//! | [`AttributionLayer`] | says who writes | |
//! | [`ExpiryLayer`] | keeps out of sight what has outlived its time | |
//! | [`ReferenceLayer`] | lets nothing refer to what is not there | |
//! | [`CacheLayer`] | keeps what was read by id | `cache` |
//! | [`TracingLayer`] | makes a span of each operation | `tracing` |
//! | [`MetricsLayer`] | counts and times operations | `metrics` |
//! | [`ValidationLayer`] | checks written documents, and processes them | `validation` |
//!
//! ```
//! use std::num::NonZeroUsize;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
//! use repo_core::{CollectionSchema, Document, Key, MemoryStrategy};
//! use repo_layers::{ConcurrencyLimitLayer, Layer as _, RetryLayer, TimeoutLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! let store = ConcurrencyLimitLayer::new(NonZeroUsize::MIN).around(store);
//! let store = TimeoutLayer::new().read(Duration::from_secs(5)).around(store);
//! let store = RetryLayer::default().around(store);
//!
//! store.prepare(&[CollectionSchema::undeclared("hosts".parse()?)]).await?;
//! let key = Key::new("hosts".parse()?, "h".parse()?);
//! store.create(key.clone(), Document::parse(r#"{"id": "h"}"#)?).await?;
//! assert!(store.get(&key.collection, &key.id).await?.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! [`stack`] does the same from a configuration, [`LayerConfig`]. A layer of your
//! own implements [`Layer`], and says only what it does differently.
//!
//! # Order
//!
//! Each layer sees what the layers around it let through. Outermost first, the
//! usual order is: `tracing`, `metrics`, `cache`, `retry`, `timeout`, `concurrency_limit`,
//! `validation`, `references`.
//!
//! - `tracing` and `metrics` outside `retry` see one operation, however many
//!   attempts it takes; inside, each attempt.
//! - `cache` outside `retry`: what is kept waits for nothing, and one read that is made
//!   again is for all who wait for it. Where documents are changed by the validation's
//!   processors, a cache that keeps what is written stands within it.
//! - `timeout` inside `retry` is for each attempt, outside for all of them.
//! - `concurrency_limit` inside `timeout`: waiting for a place counts as time.
//!   Inside `retry`, nobody holds a place while pausing.
//! - [`ExpiryLayer`] is not in the list: [`stack_with_expiry`] puts it where schemas ask for it,
//!   around the cache, which would show what passes while it is kept; without one innermost.
//! - `record_queries` stands outside `cache` and `retry`, so that each question counts once.
//! - `validation` stands innermost but for `references`, so that whatever is written passes it.
//! - `references` stands innermost, so that it sees what is stored.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attribution;
#[cfg(feature = "cache")]
mod cache;
mod concurrency;
mod config;
mod expiry;
mod layer;
mod layered;
#[cfg(feature = "metrics")]
mod metric;
mod operation;
pub mod operations;
mod record;
mod references;
mod refusal;
mod retry;
mod stack;
mod timeout;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(feature = "validation")]
mod validation;

pub use attribution::AttributionLayer;
#[cfg(feature = "cache")]
pub use cache::{CacheLayer, CacheStats, ComputedCache};
pub use concurrency::ConcurrencyLimitLayer;
pub use config::{
    CacheConfig, ConcurrencyLimitConfig, LayerConfig, NoSettings, RecordConfig, RetryConfig,
    TimeoutConfig, check_layers,
};
pub use expiry::{ExpiryLayer, SweepOptions, Swept, sweep};
pub use layer::{Inner, Layer, Layered};
#[cfg(feature = "metrics")]
pub use metric::MetricsLayer;
pub use operation::{Operation, OperationClass, OperationKind};
pub use record::RecordLayer;
pub use references::{REFERENCE_MARKS, ReferenceLayer};
pub use retry::{Retry, RetryLayer};
pub use stack::{stack, stack_with_expiry};
pub use timeout::TimeoutLayer;
#[cfg(feature = "tracing")]
pub use trace::TracingLayer;
#[cfg(feature = "validation")]
pub use validation::{
    DocumentValidator, Processor, ValidationLayer, Validator, WriteContext, check_schemas,
};
