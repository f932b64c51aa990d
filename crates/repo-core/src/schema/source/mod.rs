//! Where the files of another program hold the entities of a collection, and what of
//! them becomes a document: `x-repository.source` of a schema file.
//!
//! Nothing here reads such a file. The types cannot hold what could not be read by.

mod parse;
mod pattern;
mod pointer;
mod refusal;
mod spec;
#[cfg(test)]
mod tests;

pub(super) use parse::declared;
pub use pattern::FilePattern;
pub use pointer::{EntryPointer, EntryStep};
pub use spec::{ChildSource, FileSource, OnDuplicate, SourceEntries, SourceId};
