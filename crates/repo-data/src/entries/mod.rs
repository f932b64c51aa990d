//! Entries: created, filled, read, changed, deleted, restored.

mod activate;
mod create;
mod delete;
mod list;
mod new;
mod patch;
mod purge;
mod read;

pub use list::EntryFilter;
pub use new::{NewContent, NewEntry};
pub use patch::EntryPatch;

pub(crate) use delete::{Deletion, delete_in, restore_in};
