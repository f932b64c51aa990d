//! The history of a collection: what its records were before.
//!
//! Nothing is kept, and nothing is paid, until somebody
//! [switches it on](crate::strategy::StoreUpdate::History) for a collection. From then
//! on each write of a record keeps what it replaces, in the same transaction, also a
//! write of another process that opened the store before. What is never overwritten
//! costs nothing, and what was there before needs no copy.
//!
//! A strategy only keeps older versions and gives them back. What was valid at a
//! time, how versions differ, tags and retention are the same for all of them, and
//! stand in `repo-history`.

mod kept;
mod older;

pub use kept::{HistoryState, Retention, no_history};
pub use older::{OlderState, OlderThan, OlderVersion, VersionWrite, check_version_writes};
