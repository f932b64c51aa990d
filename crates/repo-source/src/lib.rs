//! JSON files of other programs as a store that is only read.
//!
//! `x-repository.source` in the schema of a collection says in which files its entities
//! are, where in them, and what of each becomes a document. `plan` makes routes of what
//! the schemas say; `load` goes through the files once, from front to back, checks every
//! entity and notes its place; `read` reads entities back by their places. The contract
//! over that is [`ForeignStrategy`](repo_core::strategy::ForeignStrategy).
//!
//! `broker` is the same for the files of a broker that keeps entities of all kinds in
//! one section, whatever the schemas say.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batches;
mod broker;
mod config;
mod duplicates;
mod entry;
mod factory;
mod folder;
mod index;
mod load;
mod loaded;
mod named;
mod open_file;
mod plan;
mod read;
mod store;
mod walk;
mod words;

pub use broker::{BrokerFiles, SHARED_SECTION, open_broker};
pub use config::FilesSettings;
pub use factory::FilesFactory;
