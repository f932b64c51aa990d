//! Writes in two stores, of whatever kind each is: in the end both have theirs, or neither.
//!
//! - **One commit in each store, and a record of what is missing.** The first store commits its
//!   writes together with an *intent*: what the second one is to do, and what takes the first
//!   one's writes back. Whoever finds an intent goes on with it. No store holds locks meanwhile.
//! - **Decided once.** A *marker* in the second store is reserved before, and becomes done in the
//!   commit of the second store's writes. So they are done once, however often they are sent, and
//!   a lost answer is looked up.
//! - **Refused means taken back.** When the second store refuses, the marker becomes void, and a
//!   *compensation* takes the first store's writes back, if nobody has changed them since. If
//!   somebody has, an operator is asked, by name: nothing is guessed.
//! - **Atomic in the end, not isolated.** Readers see the one store before the other.
//!
//! ```
//! use std::sync::Arc;
//!
//! use repo_across::Across;
//! use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _};
//! use repo_core::{CollectionSchema, Document, ErrorKind, Key, MemoryStrategy};
//! use repo_core::{Precondition, Result, Write};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let orders: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! let stock: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! # orders.prepare(&[CollectionSchema::undeclared("orders".parse()?)]).await?;
//! # stock.prepare(&[CollectionSchema::undeclared("stock".parse()?)]).await?;
//! repo_across::prepare(&*orders, &*stock).await?;
//! let across = Across::new(orders.clone(), stock.clone()).await?;
//! across.recover().await?; // what a process has left that was killed
//!
//! let order = Key::new("orders".parse()?, "o-1".parse()?);
//! let item = Key::new("stock".parse()?, "bolts".parse()?);
//! let ordered = || -> Result<Write> {
//!     let document = Document::parse(r#"{"id": "o-1", "bolts": 5}"#)?;
//!     Ok(Write::put(order.clone(), document, Precondition::Absent))
//! };
//! let left = Document::parse(r#"{"id": "bolts", "left": 7}"#)?;
//!
//! // The second store refuses: there is no such item. The order is taken back.
//! let taken = Write::put(item.clone(), left.clone(), Precondition::Exists);
//! let error = across.commit(vec![ordered()?], vec![taken.clone()]).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! assert!(orders.get(&order.collection, &order.id).await?.is_none());
//!
//! stock.create(item, Document::parse(r#"{"id": "bolts", "left": 12}"#)?).await?;
//! across.commit(vec![ordered()?], vec![taken]).await?;
//! assert!(orders.get(&order.collection, &order.id).await?.is_some());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod across;
mod commit;
mod hooks;
mod intent_id;
mod keys;
mod limits;
mod operator;
mod pauses;
mod plan;
mod reading;
mod recover;
mod refusals;
mod settle;
mod status;
mod stored;
mod undo;

pub use across::{Across, prepare};
pub use commit::Committed;
pub use hooks::{Hooks, Step};
pub use intent_id::IntentId;
pub use keys::{INTENTS, MARKERS, schemas};
pub use operator::Outcome;
pub use recover::Recovered;
pub use status::{IntentPage, IntentStatus, WaitsFor};

/// Compiles the examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/across.md")]
struct AcrossGuide;
