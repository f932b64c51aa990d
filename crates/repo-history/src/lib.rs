//! The history of entities, the same on every store.
//!
//! A store that [keeps the history](History::begin) of a collection keeps what each
//! write replaces. From that follow every version of an entity ([`History::versions`],
//! [`History::at_version`]), what was valid at a time ([`History::as_of`],
//! [`History::scan_as_of`]), how two versions differ ([`History::diff`]), and the way
//! back ([`History::restore`]). A [tag](History::tag) names a version and keeps it
//! from [retention](History::prune).
//!
//! ```
//! use repo_core::MemoryStrategy;
//! use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
//! use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Key, Precondition};
//! use repo_history::{History, Retention};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! let machines = CollectionName::new("machines")?;
//! let id = EntityId::new("m-1")?;
//! let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
//! store.prepare(&[CollectionSchema::undeclared(machines.clone())]).await?;
//! let history = History::of(store.clone(), machines.clone());
//! history.begin(Retention::EVERYTHING).await?;
//!
//! let key = Key::new(machines, id.clone());
//! let first = store.save(key.clone(), Document::parse(r#"{"id":"m-1","status":"up"}"#)?).await?;
//! let second = store.save(key, Document::parse(r#"{"id":"m-1","status":"down"}"#)?).await?;
//!
//! let diff = history.diff(&id, first.version, second.version).await?;
//! assert_eq!(diff.to_json(), r#"[{"op":"replace","path":"/status","value":"down"}]"#);
//! let restored = history.restore(&id, first.version, Precondition::Version(second.version)).await?;
//! assert_eq!(restored.version.get(), 3);
//! assert!(restored.document.equals(&first.document));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod as_of;
mod diff;
mod erase;
mod history;
mod prune;
mod prune_lease;
mod restore;
mod scan;
mod tags;
mod versions;
mod walk;

pub use as_of::AsOf;
pub use diff::{Diff, DiffStep};
pub use erase::Erased;
pub use history::History;
pub use prune::Pruned;
pub use prune_lease::prune_under_way;
pub use repo_core::strategy::{HistoryState, OlderState, OlderVersion, Retention};
pub use tags::{Tag, TagName};
pub use versions::{KnownVersion, VersionsPage};
