//! Generators: documents, filters, queries, writes and whole histories, drawn
//! from small pools full of edge cases, so that things meet.

mod aggregations;
mod documents;
mod filters;
mod histories;
mod values;

pub use aggregations::{AggregationSpec, aggregation};
pub use documents::{Fields, document, fields};
pub use filters::{QuerySpec, filter, query};
pub use histories::{
    ChangeSpec, Contents, Expected, Operation, RecordSpec, VersionChange, VersionSpec, WriteSpec,
    history, operation,
};
pub use values::value;

use proptest::prelude::*;
use proptest::sample::select;

/// The collections of a history: without a schema, and with indexes.
pub const COLLECTIONS: [&str; 2] = ["items", "things"];

/// Ids that stores order, fold or escape in different ways.
pub const IDS: [&str; 12] =
    ["a", "A", "a ", "ab", "a-b", "_", "é", "e\u{301}", "\u{ffee}", "😀", "'\"\\", "10"];

/// One of [`COLLECTIONS`].
pub fn collection() -> impl Strategy<Value = &'static str> {
    select(&COLLECTIONS[..])
}

/// One of [`IDS`].
pub fn id() -> impl Strategy<Value = &'static str> {
    select(&IDS[..])
}
