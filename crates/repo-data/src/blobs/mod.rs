//! The life of a blob: recorded, written, activated, condemned, deleted.
//!
//! The states are those of its record, and each change of one is a commit with the version
//! that was read. So of two that want to change it one wins, and the other is told.

mod begin;
mod change;
mod read;

pub(crate) use begin::NewBlob;
pub(crate) use change::{activate, condemn, condemn_pending, delete_for_good, restore};
pub(crate) use read::text_stream;
