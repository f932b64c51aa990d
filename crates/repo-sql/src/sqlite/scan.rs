//! Reading a whole collection in batches, each its own short read: a scan of
//! hours must not keep the log from being written back.

use std::sync::Arc;

use futures::stream;
use repo_core::{CollectionName, EntityId, Record, RecordStream, Result, ScanOptions};
use rusqlite::{Connection, params_from_iter};

use super::connection::IN_SEGMENT;
use super::readers::Readers;
use super::rows;
use super::shared::Shared;
use super::table::Table;
use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::errors;
use crate::layout::record_columns;
use crate::names::quote;

/// A batch ends early at this many bytes of documents.
const MAX_BATCH_BYTES: usize = 4 * 1_024 * 1_024;

/// A stream of batches in the order of ids. A record keeps its id, so going on
/// after the last one neither repeats nor skips.
pub(super) fn stream(
    shared: Arc<Shared>,
    readers: Readers,
    table: Arc<Table>,
    options: ScanOptions,
) -> RecordStream {
    let start = (shared, readers, table, Some(None::<EntityId>));
    Box::pin(stream::try_unfold(start, move |(shared, readers, table, position)| async move {
        let Some(after) = position else { return Ok(None) };
        let (reading, of) = (Arc::clone(&shared), Arc::clone(&table));
        let batch = readers
            .run("scan", move |connection| {
                next_batch(&reading, connection, &of, options, after.as_ref())
            })
            .await?;
        let Some(last) = batch.last() else { return Ok(None) };
        let position = Some(Some(last.id().clone()));
        Ok(Some((batch, (shared, readers, table, position))))
    }))
}

fn next_batch(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    options: ScanOptions,
    after: Option<&EntityId>,
) -> Result<Vec<Record>> {
    let failed = |source| errors::sqlite("scan", shared.file(), source);
    let (sql, params) = statement(table, options, after);
    let collection: &CollectionName = &table.schema.collection;
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(&params)).map_err(failed)?;
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let record = rows::record(collection, row)?;
        bytes += record.document().map_or(0, |document| document.as_str().len());
        batch.push(record);
        if batch.len() == options.batch_size.get() || bytes >= MAX_BATCH_BYTES {
            break;
        }
    }
    Ok(batch)
}

fn statement(
    table: &Table,
    options: ScanOptions,
    after: Option<&EntityId>,
) -> (String, Vec<Param>) {
    let mut binder = Binder::new(Dialect::Sqlite);
    let id = quote(&table.layout.id_column);
    let mut conditions = Vec::new();
    if let Some(after) = after {
        conditions.push(format!("{id} > {}", binder.text(after.as_str())));
    }
    if options.segment.total() > 1 {
        let number = |n: usize| Param::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let index = binder.bind(number(options.segment.index()));
        let total = binder.bind(number(options.segment.total()));
        conditions.push(format!("{IN_SEGMENT}({id}, {index}, {total})"));
    }
    let filter = match conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let sql = format!(
        "SELECT {} FROM {}{filter} ORDER BY {id}",
        record_columns(&table.layout),
        quote(&table.layout.table)
    );
    (sql, binder.params().to_vec())
}
