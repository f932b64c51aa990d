//! The history of a collection: older versions in a table of their own, which a
//! trigger fills.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use repo_core::strategy::{
    Applied, HistoryState, OlderState, OlderThan, OlderVersion, VersionWrite, no_history,
};
use repo_core::{
    Attribution, CollectionName, Document, EntityId, Error, Key, Result, Timestamp, Version,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::attributions::Attributions;
use super::capture::check_layout;
use super::catalog::Catalog;
use super::commit::table;
use super::fence;
use super::jobs::Transaction;
use super::rows::{damaged_record, integer_at, text_at};
use super::shared::Shared;
use super::table::Table;
use super::taken::TakenNames;
use crate::layout::{HistoryLayout, VERSION_COLUMNS};
use crate::names::{STORE_TABLE, quote};
use crate::own_record::{history_of, history_text};
use crate::{Dialect, errors};

pub(super) const KEEP: &str = "keep the history";
pub(super) const READ: &str = "read the history";
pub(super) const WRITE: &str = "change the history";

/// The collections whose history is kept.
type Histories = BTreeMap<CollectionName, HistoryState>;

/// Those of a store of the newest layout.
fn read_all(connection: &Connection, file: &Path) -> Result<Histories> {
    let sql = format!("SELECT \"history\" FROM {}", quote(STORE_TABLE));
    let text: Option<String> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|source| errors::sqlite(READ, file, source))?;
    history_of(text.as_deref()).map_err(|error| error.with("file", file.display()))
}

/// Begins, changes or ends the history of a collection, given `all` that are kept.
pub(super) fn set(
    shared: &Shared,
    transaction: &Transaction<'_>,
    mut all: Histories,
    collection: &CollectionName,
    (expected, next): (Option<HistoryState>, Option<HistoryState>),
) -> Result<()> {
    let connection = transaction.connection;
    let layout = &table(shared, transaction, KEEP, collection)?.layout.history;
    check_layout(shared, KEEP, transaction.catalog)?;
    let before = all.remove(collection);
    let after = HistoryState::replace(before, expected, next)?;
    match (before, after) {
        (None, None) => return Ok(()),
        (None, Some(_)) => begin(shared, connection, layout)?,
        (Some(_), None) => {
            run(shared, connection, &layout.drop(Dialect::Sqlite))?;
            Attributions { shared, connection, collection, operation: KEEP }.remove_all()?;
        }
        (Some(_), Some(_)) => {}
    }
    all.extend(after.map(|after| (collection.clone(), after)));
    let sql = format!("UPDATE {} SET \"history\" = ?1", quote(STORE_TABLE));
    connection
        .execute(&sql, [history_text(&all)?])
        .map(drop)
        .map_err(|source| errors::sqlite(KEEP, shared.file(), source))
}

/// # Errors
/// `Foreign` when something that is not ours has one of the names.
fn begin(shared: &Shared, connection: &Connection, layout: &HistoryLayout) -> Result<()> {
    let names = TakenNames::read(KEEP, connection, shared.file())?;
    for name in [&layout.table, &layout.trigger] {
        if let Some(found) = names.get(name) {
            let why = "a name that the history needs is taken";
            return Err(errors::foreign(KEEP, shared.file(), &found.name, why)
                .with("kind", &found.kind)
                .hint("remove it, if it is not needed, or rename it"));
        }
    }
    run(shared, connection, &layout.create(Dialect::Sqlite, ""))
}

fn run(shared: &Shared, connection: &Connection, statements: &[String]) -> Result<()> {
    statements.iter().try_for_each(|statement| {
        connection
            .execute_batch(statement)
            .map_err(|source| errors::sqlite(KEEP, shared.file(), source))
    })
}

/// # Errors
/// `NotFound` where no history is kept; `Foreign` when another tool removed the
/// trigger, so that versions are missing.
fn check_kept(
    shared: &Shared,
    connection: &Connection,
    operation: &'static str,
    catalog: &Catalog,
    table: &Table,
) -> Result<()> {
    let collection = &table.schema.collection;
    check_layout(shared, operation, catalog)?;
    if !read_all(connection, shared.file())?.contains_key(collection) {
        return Err(no_history(operation, collection, &shared.location));
    }
    check_trigger(shared, operation, catalog, table)
}

/// # Errors
/// `Foreign` when another tool removed the trigger, so that versions are missing.
pub(super) fn check_trigger(
    shared: &Shared,
    operation: &'static str,
    catalog: &Catalog,
    table: &Table,
) -> Result<()> {
    let collection = &table.schema.collection;
    if catalog.made.get(collection).is_some_and(|made| made.keeps_versions) {
        return Ok(());
    }
    let why = "another tool removed the trigger that keeps versions";
    Err(errors::foreign(operation, shared.file(), &table.layout.history.trigger, why)
        .with("collection", collection)
        .hint("versions may be missing: end the history, and begin it again"))
}

/// The older versions of these ids, at most `most`.
pub(super) fn older(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    of: &[OlderThan],
    most: NonZeroUsize,
) -> Result<Vec<OlderVersion>> {
    let catalog = shared.known.get();
    check_kept(shared, connection, READ, &catalog, table)?;
    let failed = |source| errors::sqlite(READ, shared.file(), source);
    let sql = format!(
        "SELECT {VERSION_COLUMNS} FROM {} WHERE \"id\" = ?1 AND \"_version\" < ?2 \
         AND \"_version\" >= ?3 ORDER BY \"_version\" DESC LIMIT ?4",
        quote(&table.layout.history.table)
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut found = Vec::new();
    for older in of {
        let (id, below) = (&older.id, older.version.as_i64());
        let left = i64::try_from(most.get() - found.len()).unwrap_or(i64::MAX);
        let range = params![id.as_str(), below, older.lowest(), left];
        let mut rows = statement.query(range).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(older_version(&table.schema.collection, id, row)?);
        }
        if found.len() == most.get() {
            break;
        }
    }
    Ok(found)
}

/// Who wrote these versions.
pub(super) fn attributions(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    of: &[(EntityId, Version)],
) -> Result<Vec<Option<Attribution>>> {
    check_kept(shared, connection, READ, &shared.known.get(), table)?;
    let collection = &table.schema.collection;
    let kept = Attributions { shared, connection, collection, operation: READ };
    of.iter().map(|(id, version)| kept.get(id, *version)).collect()
}

/// The version of a row of [`VERSION_COLUMNS`].
///
/// # Errors
/// `Corrupt`, naming the key, when it holds none.
fn older_version(
    collection: &CollectionName,
    id: &EntityId,
    row: &Row<'_>,
) -> Result<OlderVersion> {
    let read = || {
        let version = Version::try_from(integer_at(row, 1)?)?;
        let updated_at = Timestamp::from_micros(integer_at(row, 3)?)?;
        let is_dead = matches!(row.get_ref(4), Ok(rusqlite::types::ValueRef::Null));
        let state = match (integer_at(row, 5)?, is_dead) {
            (0, true) => OlderState::Deleted,
            (0, false) => OlderState::Live {
                created_at: Timestamp::from_micros(integer_at(row, 2)?)?,
                document: Document::parse(text_at(row, 4)?)?,
            },
            _ => OlderState::Removed,
        };
        Ok(OlderVersion::new(id.clone(), version, updated_at, state))
    };
    read().map_err(|error| damaged_record(&Key::new(collection.clone(), id.clone()), error))
}

/// Changes what is kept.
pub(super) fn write(
    shared: &Shared,
    transaction: &Transaction<'_>,
    collection: &CollectionName,
    writes: &[VersionWrite],
) -> Result<Vec<Applied>> {
    let table = table(shared, transaction, WRITE, collection)?;
    check_kept(shared, transaction.connection, WRITE, transaction.catalog, table)?;
    fence::check_apply(shared, transaction, WRITE)?;
    let connection = transaction.connection;
    let versions = Versions {
        shared,
        connection,
        collection,
        name: quote(&table.layout.history.table),
        attributions: Attributions { shared, connection, collection, operation: WRITE },
    };
    writes.iter().map(|write| versions.write(write)).collect()
}

/// The table of older versions of a collection.
struct Versions<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    collection: &'a CollectionName,
    name: String,
    attributions: Attributions<'a>,
}

impl Versions<'_> {
    fn write(&self, write: &VersionWrite) -> Result<Applied> {
        let (id, version) = write.of();
        let changed = match write {
            VersionWrite::Add(added) => return self.add(added),
            VersionWrite::Attribute(_, _, to) => return self.attributions.add(id, version, to),
            VersionWrite::Clear(..) => self.change(
                "UPDATE",
                " SET \"document\" = NULL, \"removed\" = 1",
                " AND NOT \"removed\"",
                id,
                version,
            ),
            VersionWrite::Remove(..) => self.change("DELETE FROM", "", "", id, version),
        };
        let changed = changed?;
        self.attributions.remove(id, version)?;
        Ok(if changed > 0 { Applied::Applied } else { Applied::Equal })
    }

    fn change(
        &self,
        verb: &str,
        set: &str,
        only: &str,
        id: &EntityId,
        version: Version,
    ) -> Result<usize> {
        let sql =
            format!("{verb} {}{set} WHERE \"id\" = ?1 AND \"_version\" = ?2{only}", self.name);
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute(params![id.as_str(), version.as_i64()]))
            .map_err(|source| self.failed(source))
    }

    fn add(&self, added: &OlderVersion) -> Result<Applied> {
        let answer = added.compare_to_stored(self.stored(added)?.as_ref());
        if answer != Applied::Applied {
            return Ok(answer);
        }
        let (created_at, document) = match &added.state {
            OlderState::Live { created_at, document } => (*created_at, Some(document.as_str())),
            OlderState::Deleted | OlderState::Removed => (added.updated_at, None),
        };
        let sql = format!(
            "INSERT INTO {} ({VERSION_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            self.name
        );
        let values = params![
            added.id.as_str(),
            added.version.as_i64(),
            created_at.as_micros(),
            added.updated_at.as_micros(),
            document,
            added.state == OlderState::Removed,
        ];
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(|source| self.failed(source))?;
        Ok(answer)
    }

    fn stored(&self, added: &OlderVersion) -> Result<Option<OlderVersion>> {
        let sql = format!(
            "SELECT {VERSION_COLUMNS} FROM {} WHERE \"id\" = ?1 AND \"_version\" = ?2",
            self.name
        );
        let mut statement =
            self.connection.prepare_cached(&sql).map_err(|source| self.failed(source))?;
        let read = |row: &Row<'_>| Ok(older_version(self.collection, &added.id, row));
        statement
            .query_row(params![added.id.as_str(), added.version.as_i64()], read)
            .optional()
            .map_err(|source| self.failed(source))?
            .transpose()
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        errors::sqlite(WRITE, self.shared.file(), source)
    }
}
