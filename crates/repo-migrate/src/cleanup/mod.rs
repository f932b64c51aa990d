//! Removing from the source what a verified migration has brought to the
//! target.
//!
//! Each record is deleted only while the target holds the same, and only at
//! that version. Deleting leaves tombstones one version above what the target
//! holds: copied later, they would delete it there. So the source carries a
//! mark, which keeps other migrations away, until they are purged.

pub(crate) mod mark;
mod report;
mod source;

pub use mark::{Verified, unfinished_clean_up};
pub use report::{CleanUpReport, CleanedCollection};
pub use source::{CleanUpOptions, clean_up};
pub(crate) use source::{Removal, empty};
