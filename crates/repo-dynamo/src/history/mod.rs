//! Histories: what records were before.
//!
//! Where the history of a collection is kept, a write of it is one transaction of the
//! record and a copy of what it replaces, in the table `PREFIX__versions`:
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `NUMBER.COLLECTION#ID` | the version | what the record was, a tombstone, or a mark |
//! | `NUMBER.by.COLLECTION#ID` | the version | who wrote it, and why, where that was given |
//!
//! Each history has a number of its own in its store. Nothing that one of them left
//! behind is ever answered by another.
//!
//! **Nothing is lost.** As for the change feed (see `feed`), who begins a history waits
//! until every handle knows of it, and a write that was acknowledged by an older record
//! of the store looks again first (`settle`). One write of one record has been told by
//! then what it replaced, and keeps it late; else it leaves a mark that a version was
//! there, and its outcome is unknown.
//!
//! **There is no gap.** A history that begins raises the generation of its collection,
//! so a handle that does not know of it cannot write over a record of one that does.

mod attributions;
mod clean;
mod item;
mod keep;
mod read;
mod switch;
mod write;

pub(crate) use keep::{Done, Replaced};
