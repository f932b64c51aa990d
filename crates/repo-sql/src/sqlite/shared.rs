//! What the writer, the readers and every call of one handle share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::{OpenOptions, OpenState, PhysicalIdentity, identity_of_files};
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result};
use rusqlite::Connection;

use super::catalog::{self, Catalog};
use super::connection::in_one_state;
use super::taken::TakenNames;
use crate::catalog_cache::CatalogCache;

/// The state of one handle.
pub(super) struct Shared {
    pub(super) file: PathBuf,
    pub(super) location: String,
    pub(super) busy: Duration,
    pub(super) options: OpenOptions,
    open: OpenState,
    pub(super) known: CatalogCache<Catalog>,
}

/// Where it is and whether it is open; the rest would fill pages.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("location", &self.location)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(file: PathBuf, busy: Duration, options: OpenOptions) -> Self {
        Self {
            location: format!("sqlite:{}", file.display()),
            file,
            busy,
            known: CatalogCache::new(Arc::clone(&options.schemas)),
            options,
            open: OpenState::default(),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What distinguishes the database file from others.
    pub(super) fn physical_identity(&self) -> Result<PhysicalIdentity> {
        let operation = "identify the store";
        self.check_open(operation)?;
        identity_of_files("sqlite", &self.file, []).map_err(|(path, source)| {
            Error::new(ErrorKind::Unavailable, operation, "the database file cannot be looked at")
                .with("file", path.display())
                .caused_by(source)
        })
    }

    /// Marks the handle closed; whether it was open.
    pub(super) fn close(&self) -> bool {
        self.open.close()
    }

    /// # Errors
    /// `Closed` once the handle is closed.
    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.location)
    }

    /// # Errors
    /// `Closed` once it is closed, `Unsupported` when opened read-only.
    pub(super) fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        self.options.check_writable(operation, &self.location)
    }

    /// Reads the catalog anew. Within a transaction that changes the schema
    /// the result counts only once that is committed.
    pub(super) fn read_catalog(&self, connection: &Connection) -> Result<Arc<Catalog>> {
        in_one_state(connection, &self.file, |connection| {
            Catalog::read(connection, &self.file, &self.known).map(Arc::new)
        })
    }

    /// The catalog that fits the database now: another process may have
    /// prepared something, another tool may have altered something.
    pub(super) fn refresh_catalog(&self, connection: &Connection) -> Result<Arc<Catalog>> {
        let known = self.known.get();
        // Also what begins the read transaction, so it comes first.
        let schema_cookie = catalog::schema_cookie(connection, &self.file)?;
        let given = self.known.times_given();
        if known.prepared && (known.schema_cookie, known.given) == (schema_cookie, given) {
            return Ok(known);
        }
        let catalog = self.read_catalog(connection)?;
        self.known.set(Arc::clone(&catalog));
        Ok(catalog)
    }

    /// Refuses what is not ours under the names of the declared collections
    /// that are not prepared yet.
    pub(super) fn refuse_foreign(&self, connection: &Connection, catalog: &Catalog) -> Result<()> {
        let names = TakenNames::read("open", connection, &self.file)?;
        for schema in self.options.schemas.iter() {
            let name = &schema.collection;
            if catalog.tables.contains_key(name) || !self.options.selects(name.as_str()) {
                continue;
            }
            match catalog::refuse_foreign("open", &names, &self.file, schema, None) {
                // It cannot be prepared here; `prepare` says so.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// The error for a collection that the catalog does not know.
    pub(super) fn unknown(
        &self,
        operation: &'static str,
        connection: Option<&Connection>,
        collection: &CollectionName,
    ) -> Error {
        let schema = self
            .known
            .declared(collection)
            .unwrap_or_else(|| CollectionSchema::undeclared(collection.clone()));
        let foreign = connection.and_then(|connection| {
            let names = TakenNames::read(operation, connection, &self.file).ok()?;
            catalog::refuse_foreign(operation, &names, &self.file, &schema, None).err()
        });
        foreign.filter(|error| error.kind() == ErrorKind::Foreign).unwrap_or_else(|| {
            let catalog = self.known.get();
            let prepared = catalog.tables.keys();
            repo_core::strategy::not_prepared(operation, collection, &self.location, prepared)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl::NewIndexes;
    use crate::sqlite::prepare::prepare;
    use crate::sqlite::session::Session;

    fn schema(indexed: &str) -> CollectionSchema {
        CollectionSchema::parse(&format!(
            r#"{{"type":"object","x-repository":{{"collection":"m","idField":"id",
                "indexes":[["{indexed}"]]}},"properties":{{"id":{{"type":"string"}}}}}}"#
        ))
        .unwrap()
    }

    /// A reader may read the new state with the old schemas while `prepare`
    /// ends, and note it late.
    #[test]
    fn a_catalog_read_with_outdated_schemas_does_not_stay() {
        let dir = tempfile::TempDir::new().unwrap();
        let new = || Shared::new(dir.path().join("m.db"), Duration::ZERO, OpenOptions::default());
        let shared = Arc::new(new());
        let mut session = Session::new(Arc::clone(&shared));
        prepare(&mut session, &[schema("a")], NewIndexes::Made).unwrap();
        // Another handle makes the new state, so that `give` can come late.
        prepare(&mut Session::new(Arc::new(new())), &[schema("b")], NewIndexes::Made).unwrap();
        let connection = session.connection().unwrap();
        let slow = shared.read_catalog(connection).unwrap();
        shared.known.set(Arc::clone(&slow));
        shared.known.give(&[schema("b")]);
        let indexes = |catalog: &Catalog| -> Vec<String> {
            let tables = catalog.tables.values().flat_map(|table| table.layout.indexes.iter());
            tables.map(|index| index.name.clone()).collect()
        };
        assert_eq!(indexes(&slow), ["m-a-index"]);
        assert_eq!(indexes(&shared.refresh_catalog(connection).unwrap()), ["m-b-index"]);
        shared.known.set(slow);
        assert_eq!(indexes(&shared.known.get()), ["m-b-index"]);
    }
}
