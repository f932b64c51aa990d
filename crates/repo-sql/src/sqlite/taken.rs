//! The names that are taken in a database, read once: to ask SQLite for each of
//! many names is to read all of them each time.

use std::collections::HashMap;
use std::path::Path;

use repo_core::Result;
use rusqlite::Connection;

use crate::errors;
use crate::layout::CollectionLayout;

/// What stands under each name, whatever case it is written in.
pub(super) struct TakenNames(HashMap<String, Taken>);

/// Something with a name.
pub(super) struct Taken {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: String,
    /// As it is written.
    pub(super) name: String,
}

impl TakenNames {
    /// Reads them.
    pub(super) fn read(
        operation: &'static str,
        connection: &Connection,
        file: &Path,
    ) -> Result<Self> {
        let failed = |source| errors::sqlite(operation, file, source);
        let mut statement = connection
            .prepare_cached("SELECT \"type\", \"name\" FROM sqlite_master")
            .map_err(failed)?;
        let rows = statement
            .query_map([], |row| Ok(Taken { kind: row.get(0)?, name: row.get(1)? }))
            .map_err(failed)?;
        let mut names = HashMap::new();
        for row in rows {
            let taken = row.map_err(failed)?;
            names.insert(taken.name.to_ascii_lowercase(), taken);
        }
        Ok(Self(names))
    }

    /// What has a name. SQLite compares names without the case of ASCII letters.
    pub(super) fn get(&self, name: &str) -> Option<&Taken> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// Adds what was made for a collection.
    pub(super) fn add(&mut self, layout: &CollectionLayout) {
        for name in layout.object_names() {
            let kind = match name {
                name if name == layout.table => "table",
                name if name == layout.view => "view",
                name if layout.digest.as_ref().is_some_and(|d| name == d.trigger) => "trigger",
                _ => "index",
            };
            let taken = Taken { kind: kind.to_owned(), name: name.to_owned() };
            self.0.entry(name.to_ascii_lowercase()).or_insert(taken);
        }
    }
}
