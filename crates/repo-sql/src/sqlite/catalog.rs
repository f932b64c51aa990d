//! What the database holds of ours, read from the store's own tables and
//! checked against what SQLite says is there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result};
use rusqlite::{Connection, OptionalExtension as _};

use super::role;
use super::table::Table;
use super::taken::TakenNames;
use crate::Dialect;
use crate::catalog_cache::{CatalogCache, ReadWithSchemas};
use crate::errors;
use crate::layout::{CollectionLayout, Made, capture_trigger_names, digest_trigger, keep_trigger};
use crate::names::{COLLECTIONS_TABLE, OBJECTS_TABLE, STORE_TABLE, quote};
use crate::own_record::OwnRecord;

/// Everything known of the database at one state of its schema.
#[derive(Default)]
pub(super) struct Catalog {
    /// SQLite's counter of schema changes when this was read.
    pub(super) schema_cookie: i64,
    /// Which of the schemas given to this handle it was read with.
    pub(super) given: u64,
    /// Whether the store's own tables are there.
    pub(super) prepared: bool,
    /// The layout that the store is in; 0 when there is none.
    pub(super) layout: u32,
    /// Whether the store is no authority. Such a step changes the schema, so this is
    /// as fresh as the rest.
    pub(super) fenced: bool,
    pub(super) tables: BTreeMap<CollectionName, Arc<Table>>,
    pub(super) made: BTreeMap<CollectionName, Made>,
}

impl ReadWithSchemas for Catalog {
    fn given(&self) -> u64 {
        self.given
    }
}

/// An object that we made, beside what SQLite has under its name now.
struct Noted {
    collection: String,
    kind: String,
    name: String,
    definition: String,
    there: Option<(String, Option<String>)>,
}

impl Catalog {
    /// Reads the store's own tables and checks that what they name is as it
    /// was made.
    ///
    /// # Errors
    /// `Unsupported` for a newer layout; `Foreign` for something of ours that
    /// another tool replaced or altered; `Corrupt` for a file that is no
    /// database.
    pub(super) fn read(
        connection: &Connection,
        file: &Path,
        known: &CatalogCache<Self>,
    ) -> Result<Self> {
        let given = known.times_given();
        let schema_cookie = schema_cookie(connection, file)?;
        let Some(layout) = check_store(connection, file)? else {
            return Ok(Self { schema_cookie, given, ..Self::default() });
        };
        let fenced = !role::read(connection, file)?.takes_writes();
        let made = read_made(connection, file)?;
        let mut tables = BTreeMap::new();
        for (name, (made, id_field)) in &made {
            let schema = own_record(file).schema_of(name, id_field, known.declared(name))?;
            tables.insert(name.clone(), Arc::new(Table::new(schema, made)?));
        }
        let made = made.into_iter().map(|(name, (made, _))| (name, made)).collect();
        Ok(Self { schema_cookie, prepared: true, layout, fenced, tables, made, given })
    }
}

/// Refuses to prepare collections that are there with another id field.
pub(super) fn refuse_other_id_field(
    file: &Path,
    known: &Catalog,
    schemas: &[CollectionSchema],
) -> Result<()> {
    let stored = |name: &CollectionName| known.tables.get(name).map(|t| &t.schema.id_field);
    own_record(file).refuse_other_id_field(schemas, stored)
}

fn own_record(file: &Path) -> OwnRecord {
    OwnRecord { dialect: Dialect::Sqlite, location: file.display().to_string() }
}

/// SQLite's counter of schema changes.
pub(super) fn schema_cookie(connection: &Connection, file: &Path) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA schema_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|source| errors::sqlite("open", file, source))
}

/// The layout of the store's own tables, one that this program knows; `None`
/// when they are not there.
fn check_store(connection: &Connection, file: &Path) -> Result<Option<u32>> {
    let failed = |source| errors::sqlite("open", file, source);
    let found: Option<String> = connection
        .query_row("SELECT \"type\" FROM sqlite_master WHERE \"name\" = ?1", [STORE_TABLE], |row| {
            row.get(0)
        })
        .optional()
        .map_err(failed)?;
    if found.is_none() {
        return Ok(None);
    }
    let layout: Option<i64> = connection
        .query_row(&format!("SELECT \"layout_version\" FROM {}", quote(STORE_TABLE)), [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|source| {
            errors::foreign("open", file, STORE_TABLE, "a table with the name of ours is not ours")
                .caused_by(source)
        })?;
    own_record(file).layout(layout).map(Some)
}

type MadeCollections = BTreeMap<CollectionName, (Made, FieldPath)>;

fn read_made(connection: &Connection, file: &Path) -> Result<MadeCollections> {
    let mut collections = read_collections(connection, file)?;
    let mut triggers = read_triggers(connection, file)?;
    for (name, (made, _)) in &mut collections {
        made.digest_trigger = triggers.remove(&digest_trigger(name));
        let names = capture_trigger_names(Dialect::Sqlite, name);
        made.capture_triggers = names.map(|name| triggers.remove(&name));
        made.keeps_versions = triggers.contains_key(&keep_trigger(Dialect::Sqlite, name));
    }
    for noted in read_noted(connection, file)? {
        let Ok(name) = CollectionName::new(&noted.collection) else { continue };
        let Some((made, _)) = collections.get_mut(&name) else { continue };
        check_noted(file, &noted)?;
        let there = noted.there.is_some();
        match noted.kind.as_str() {
            "column" => {
                made.columns.insert(noted.name, noted.definition);
            }
            "index" if there => {
                made.indexes.insert(noted.name, noted.definition);
            }
            "view" if there => made.view = Some(noted.definition),
            _ => {}
        }
    }
    Ok(collections)
}

fn read_collections(connection: &Connection, file: &Path) -> Result<MadeCollections> {
    let failed = |source| errors::sqlite("open", file, source);
    let sql = format!(
        "SELECT \"collection\", \"schema_version\", \"id_field\" FROM {}",
        quote(COLLECTIONS_TABLE)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let rows = statement
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?))
        })
        .map_err(failed)?;
    let mut collections = BTreeMap::new();
    for row in rows {
        let (name, schema_version, id_field) = row.map_err(failed)?;
        let damaged = |error: Error| own_record(file).damaged(error);
        let name = CollectionName::new(&name).map_err(damaged)?;
        let id_field = FieldPath::parse(&id_field).map_err(damaged)?;
        collections.insert(name, (Made { schema_version, ..Made::default() }, id_field));
    }
    Ok(collections)
}

/// The statements that made the triggers, by name.
fn read_triggers(connection: &Connection, file: &Path) -> Result<HashMap<String, String>> {
    connection
        .prepare("SELECT \"name\", \"sql\" FROM sqlite_master WHERE \"type\" = 'trigger'")
        .and_then(|mut statement| {
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .map_err(|source| errors::sqlite("open", file, source))
}

fn read_noted(connection: &Connection, file: &Path) -> Result<Vec<Noted>> {
    let failed = |source| errors::sqlite("open", file, source);
    let sql = format!(
        "SELECT o.\"collection\", o.\"kind\", o.\"name\", o.\"definition\", m.\"type\", m.\"sql\" \
         FROM {} AS o LEFT JOIN sqlite_master AS m \
         ON m.\"name\" = o.\"name\" COLLATE NOCASE AND o.\"kind\" <> 'column'",
        quote(OBJECTS_TABLE)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let rows = statement
        .query_map([], |row| {
            let there: Option<String> = row.get(4)?;
            let sql: Option<String> = row.get(5)?;
            Ok(Noted {
                collection: row.get(0)?,
                kind: row.get(1)?,
                name: row.get(2)?,
                definition: row.get(3)?,
                there: there.map(|kind| (kind, sql)),
            })
        })
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Refuses what stands under one of our names and is not what we made. A view
/// or index that is gone is made again by `prepare`; a table is not.
fn check_noted(file: &Path, noted: &Noted) -> Result<()> {
    match &noted.there {
        _ if noted.kind == "column" => Ok(()),
        None if noted.kind == "table" => Err(Error::new(
            ErrorKind::Corrupt,
            "open",
            "the table of a prepared collection is gone",
        )
        .with("collection", &noted.collection)
        .with("table", &noted.name)
        .with("file", file.display())
        .hint("another tool dropped or renamed it; restore the file from a backup")),
        None => Ok(()),
        Some((kind, sql)) if *kind == noted.kind && sql.as_ref() == Some(&noted.definition) => {
            Ok(())
        }
        Some(_) => Err(errors::foreign(
            "open",
            file,
            &noted.name,
            "a table, view or index was altered or replaced by another tool",
        )
        .with("collection", &noted.collection)),
    }
}

/// Refuses a collection of which some name is taken by what is not ours.
///
/// # Errors
/// `Foreign`, naming it.
pub(super) fn refuse_foreign(
    operation: &'static str,
    names: &TakenNames,
    file: &Path,
    schema: &CollectionSchema,
    made: Option<&Made>,
) -> Result<()> {
    let layout = CollectionLayout::new(Dialect::Sqlite, schema)?;
    for name in layout.object_names() {
        let ours = made.is_some_and(|made| {
            name == layout.table
                || layout.digest.as_ref().is_some_and(|digest| name == digest.trigger)
                || (name == layout.view && made.view.is_some())
                || made.indexes.contains_key(name)
        });
        if let (false, Some(found)) = (ours, names.get(name)) {
            let why = "a name that the collection needs is taken by something that is not ours";
            return Err(errors::foreign(operation, file, &found.name, why)
                .with("kind", &found.kind)
                .with("collection", &schema.collection)
                .hint(errors::foreign_hint("another database file")));
        }
    }
    Ok(())
}
