//! A store that may move to another place while a program uses it.
//!
//! A live migration moves a store while programs write to it. Each program opens its store
//! once, as a [`RoutedStrategy`], and goes on through the move:
//!
//! - A **write** goes to the store that is the authority. One that it refuses because it is
//!   being moved is held until the move is decided, for [`RoutingOptions::patience`] at most,
//!   and then goes where the authority is.
//! - A **read** is answered by a store only while that is known to be the authority: by a
//!   lease that the store gave less than [`RoutingOptions::LEASE`] ago. So no read returns
//!   less than what was acknowledged before it began.
//! - A store that has moved names its successor, by its id. It is looked for among the
//!   places that the program itself names ([`Routes`]); no address and no password comes from a
//!   store.
//! - What a killed migration left is finished: a fence that has lasted too long is lifted,
//!   and a successor that was decided is promoted.
//!
//! A program that does not use this still cannot lose a write: the store that moved refuses it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use repo_core::strategy::{OpenOptions, StorageStrategy};
//! use repo_core::MemoryStrategy;
//! use repo_routed::{NoRoutes, RoutedStrategy, RoutingOptions};
//!
//! # async fn open() -> repo_core::Result<()> {
//! let configured = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! let store = RoutedStrategy::open(configured, NoRoutes, RoutingOptions::default()).await?;
//! assert!(store.location().starts_with("memory:"));
//! # Ok(())
//! # }
//! ```

mod opened;
mod options;
mod router;
mod routes;
mod strategy;

pub use options::RoutingOptions;
pub use routes::{NoRoutes, Routes};
pub use strategy::RoutedStrategy;
