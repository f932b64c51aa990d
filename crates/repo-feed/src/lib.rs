//! Consumers of the [change feed](repo_core::strategy::StorageStrategy::changes):
//! named readers whose place is kept in the store itself.
//!
//! - **At least once.** Every write that is acknowledged after [`Consumers::subscribe`]
//!   is delivered, also when the process of the consumer, or the one that writes, is
//!   killed. After such an end changes since the last checkpoint come again.
//! - **In order for each record.** Versions of one key rise, except for what comes
//!   again. Nothing is said of the order between records.
//! - **One process at a time.** A [`Consumer`] holds a lease in the store, and each
//!   checkpoint is compared and set: a process that lost its lease can neither move the
//!   consumer on nor take it back.
//! - **Nothing is stuck.** A change that fails [`MAX_ATTEMPTS`] times is put aside as a
//!   dead letter, and so are the later changes of that record, until somebody
//!   [retries](Consumers::retry) or [skips](Consumers::skip) it.
//!
//! A store that moves takes its consumers along ([`Consumers::relocate`]). One that runs over a
//! routed store goes on by itself; what lay between its last checkpoint and the move may come
//! again, and what an aggregate had counted of it counts twice, unless the consumer was at the
//! head of the feed when the store moved.
//!
//! A program [follows](Consumer::follow) with a handler of batches, takes single changes
//! from a [stream](Consumer::stream), or [runs](Consumer::run) a [`Chain`] of filters,
//! processors and aggregates, which count each change exactly once.
//!
//! ```
//! use repo_core::MemoryStrategy;
//! use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
//! # use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Key};
//! use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions, SubscribeOptions};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! # let machines = CollectionName::new("machines")?;
//! let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! # store.prepare(&[CollectionSchema::undeclared(machines.clone())]).await?;
//! let consumers = Consumers::new(store.clone());
//! let billing = ConsumerName::new("billing")?;
//! consumers.subscribe(&billing, SubscribeOptions::default()).await?;
//! # let key = Key::new(machines, EntityId::new("m-1")?);
//! store.save(key, Document::parse(r#"{"id":"m-1","status":"running"}"#)?).await?;
//!
//! let mut seen = Vec::new();
//! let mut consumer = Consumer::open(&consumers, &billing).await?;
//! let options = FollowOptions::default().until_head();
//! consumer
//!     .follow(&options, async |changes| {
//!         seen.extend(changes.iter().map(|change| (change.key.to_string(), change.version.get())));
//!         Ok(())
//!     })
//!     .await?;
//! consumer.close().await?;
//! assert_eq!(seen, [("machines/m-1".to_owned(), 1)]);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod chain;
mod consumer;
mod consumers;
mod dead_letters;
mod follow;
mod handler;
mod name;
mod options;
mod projection;
mod relocate;
mod run;
mod selection;
mod states;
mod stored;
mod stream;

pub use chain::{Chain, MAX_AGGREGATES, Step};
pub use consumer::Consumer;
pub use consumers::{ConsumerStatus, Consumers, LEASE};
pub use dead_letters::DeadLetter;
pub use follow::MAX_ATTEMPTS;
pub use handler::HandlerError;
pub use name::ConsumerName;
pub use options::{FollowOptions, Start, SubscribeOptions};
pub use projection::Projection;
pub use selection::Selection;
pub use states::MAX_STATE_KEY_BYTES;
pub use stream::ChangeStream;
