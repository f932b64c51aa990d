//! Tables of another program as a store that is only read: what the dialects
//! share. `table` says how each column is read, `document` makes records of
//! rows, `records` collects them, `reader` is what a dialect has to do, `pages` goes through
//! a table, and `store` is what the contract is made of.
//!
//! The dialects' own parts stand in `sqlite/existing.rs` and
//! `postgres/existing.rs`.

mod document;
mod pages;
mod reader;
mod records;
mod store;
mod table;
mod value;

pub(crate) use document::{Place, Row, record};
pub(crate) use reader::TableReader;
pub(crate) use records::Records;
pub(crate) use store::store;
pub(crate) use table::{FoundColumn, FoundTable, SqlKind, Statements, Table};
pub(crate) use value::{Cell, iso_time};

use repo_core::{CollectionSchema, Error, ErrorKind, Schemas};

/// What a search for tables of another program came to.
#[derive(Debug)]
pub(crate) enum Search {
    /// No table has the name of a declared collection, or there is something
    /// of ours.
    Nothing,
    /// The same, and these tables are there.
    Others(Vec<String>),
    /// One has, and cannot be read as it; why.
    Unfit(String),
    /// All that have can be read.
    Tables {
        tables: Vec<Table>,
        /// Further tables that are there, which no collection names.
        others: Vec<String>,
    },
}

/// Most ids in one statement.
pub(crate) const IDS_AT_ONCE: usize = 500;

/// The refusal of a store whose tables cannot be read either, and why. It may have
/// been opened as a source or to look at a target, so the words fit both.
pub(crate) fn unfit(refusal: &Error, why: &str) -> Error {
    let error = Error::new(
        refusal.kind(),
        refusal.operation(),
        "what is there is not ours, and cannot be read as tables of another program either",
    )
    .hint(
        "a source: leave the collection out with --collections, or give the table a key that \
         holds each id once; a target: name another database or file",
    );
    let named = refusal.context().iter();
    named.fold(error, |error, (name, value)| error.with(name, value)).with("as_a_source", why)
}

/// Most tables that a refusal names.
const MOST_NAMED: usize = 20;

/// Says in the refusal of a store which tables are there, and for which ones it
/// was looked.
pub(crate) fn not_these(refusal: Error, tables: &[String], schemas: &Schemas) -> Error {
    let mut found: Vec<&str> = tables.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = format!("and {} more", tables.len().saturating_sub(MOST_NAMED));
    if tables.len() > MOST_NAMED {
        found.push(&more);
    }
    let wanted: Vec<&str> = schemas.iter().map(CollectionSchema::existing_table).collect();
    let hint = refusal.hint_text().map(|hint| format!("{hint}; ")).unwrap_or_default();
    refusal.with("tables", found.join(", ")).with("looked_for", wanted.join(", ")).hint(format!(
        "{hint}tables of another program are read as the collections of the schema files that \
         --schemas DIR names, by their names or `table` in x-repository"
    ))
}

/// Whether a refusal to open a store for reading leaves room for tables of
/// another program: names are taken, or there is no store.
pub(crate) fn may_be_tables(refusal: &Error) -> bool {
    matches!(refusal.kind(), ErrorKind::Foreign | ErrorKind::NotFound)
}
