//! Upgrading the documents of a collection where they are, to another schema
//! version: check → mark → archive → write → raise the version.
//!
//! Steps may not be repeatable, so no document may go through them twice. The
//! archive is the truth about that: it holds each document and its version as
//! it was, and the mark in the store's record says how many of its lines are
//! done. See `docs/decisions/0058`.

mod created;
mod entry;
mod judge;
mod mark;
mod options;
pub(crate) mod path;
pub(crate) mod report;
mod rest;
mod run;
mod writer;

pub use entry::{refuse_unfinished_upgrade, upgrade};
pub use options::UpgradeOptions;
pub use report::{UpgradeOutcome, UpgradeReport};
