//! Reading by id, and counting.

use std::collections::HashMap;
use std::sync::Arc;

use repo_core::strategy::Record;
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Filter, Result};
use rusqlite::{Connection, params_from_iter};

use super::connection::in_one_state;
use super::rows;
use super::select::{Goal, Select};
use super::shared::Shared;
use super::table::Table;
use crate::errors;

/// Most ids in one statement.
const IDS_AT_ONCE: usize = 500;

/// Runs `work` with the prepared collection as it is in the one state of the
/// database that `work` reads: with columns of another state a condition could
/// miss what matches.
pub(super) fn with_table<T>(
    shared: &Shared,
    connection: &Connection,
    operation: &'static str,
    collection: &CollectionName,
    work: impl FnOnce(&Arc<Table>) -> Result<T>,
) -> Result<T> {
    in_one_state(connection, shared.file(), |connection| {
        let catalog = shared.refresh_catalog(connection)?;
        match catalog.tables.get(collection) {
            Some(table) => work(table),
            None => Err(shared.unknown(operation, Some(connection), collection)),
        }
    })
}

/// The records of `ids`, in their order.
pub(super) fn get_many(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    ids: &[EntityId],
) -> Result<Vec<Option<Record>>> {
    if let [id] = ids {
        return Ok(vec![get(shared, connection, table, id)?]);
    }
    let mut found: HashMap<EntityId, Record> = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_AT_ONCE) {
        let list = serde_json::to_string(chunk).map_err(|source| {
            Error::new(ErrorKind::Invalid, "get", "an id cannot be written as JSON")
                .caused_by(source)
        })?;
        collect(shared, connection, table, &list, &mut found)?;
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

fn get(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    id: &EntityId,
) -> Result<Option<Record>> {
    let failed = |source| errors::sqlite("get", shared.file(), source);
    let mut statement = connection.prepare_cached(&table.statements.get).map_err(failed)?;
    let mut rows = statement.query([id.as_str()]).map_err(failed)?;
    let row = rows.next().map_err(failed)?;
    row.map(|row| rows::record_of(&table.schema.collection, id, row)).transpose()
}

fn collect(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    list: &str,
    found: &mut HashMap<EntityId, Record>,
) -> Result<()> {
    let failed = |source| errors::sqlite("get", shared.file(), source);
    let mut statement = connection.prepare_cached(&table.statements.get_many).map_err(failed)?;
    let mut rows = statement.query([list]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let record = rows::record(&table.schema.collection, row)?;
        found.insert(record.id().clone(), record);
    }
    Ok(())
}

/// How many live entities match.
pub(super) fn count(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    filter: &Filter,
) -> Result<u64> {
    let collection = &table.schema.collection;
    let exact = Select::new(&table.layout, filter, &Goal::Count);
    let failed = |source| select_failed(shared, connection, table, source);
    if exact.exact {
        return connection
            .prepare_cached(&exact.sql)
            .and_then(|mut statement| {
                statement.query_row(params_from_iter(&exact.params), |row| row.get(0))
            })
            .map_err(failed);
    }
    let select = Select::new(&table.layout, filter, &Goal::All);
    let mut statement = connection.prepare_cached(&select.sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(&select.params)).map_err(failed)?;
    let mut matching = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let record = rows::record(collection, row)?;
        matching += u64::from(record.document().is_some_and(|d| filter.matches(d)));
    }
    Ok(matching)
}

/// The error of a statement that looks into documents; for a document that is
/// not JSON, with its key, which SQLite does not say.
pub(super) fn select_failed(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    source: rusqlite::Error,
) -> Error {
    let error = errors::sqlite("query", shared.file(), source);
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    match first_broken(connection, table) {
        Some(id) => error.with("key", format!("{}/{id}", table.schema.collection)),
        None => error,
    }
}

fn first_broken(connection: &Connection, table: &Table) -> Option<String> {
    let id = crate::names::quote(&table.layout.id_column);
    let name = crate::names::quote(&table.layout.table);
    let sql = format!(
        "SELECT {id} FROM {name} WHERE \"document\" IS NOT NULL AND NOT json_valid(\"document\") \
         LIMIT 1"
    );
    connection.query_row(&sql, [], |row| row.get(0)).ok()
}
