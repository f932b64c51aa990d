//! Revisions: what an entry was, is and may become.

mod make;
mod publish;
mod read;

pub use make::{NewRevision, RevisedContent};
pub use read::{RevisionPage, WhichRevision};
