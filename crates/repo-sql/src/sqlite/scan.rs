//! Reading a whole collection in batches, each its own short read: a scan of
//! hours must not keep the log from being written back.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{CollectionName, RecordStream, Result, ScanOptions, Scanned};
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
    let start = (shared, readers, table, Some(None::<String>));
    let batches = stream::try_unfold(start, move |(shared, readers, table, position)| async move {
        let Some(after) = position else { return Ok(None) };
        let (reading, of) = (Arc::clone(&shared), Arc::clone(&table));
        let batch = readers
            .run("scan", move |connection| {
                next_batch(&reading, connection, &of, options, after.as_deref())
            })
            .await?;
        let position = batch.next.map(Some);
        let goes_on = position.is_some() || !batch.scanned.is_empty();
        Ok(goes_on.then_some((batch.scanned, (shared, readers, table, position))))
    });
    let items = batches.map_ok(|scanned| stream::iter(scanned.into_items())).try_flatten();
    items.boxed()
}

/// A batch, and the id after which the next one begins; none at the end.
#[derive(Default)]
struct Batch {
    scanned: Scanned,
    next: Option<String>,
}

fn next_batch(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    options: ScanOptions,
    after: Option<&str>,
) -> Result<Batch> {
    let failed = |source| errors::sqlite("scan", shared.file(), source);
    let (sql, params) = statement(table, options, after);
    let collection: &CollectionName = &table.schema.collection;
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(&params)).map_err(failed)?;
    let mut batch = Batch::default();
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next().map_err(failed)? {
        batch.scanned.push(rows::record(collection, row), shared.options.on_unreadable())?;
        count += 1;
        bytes += rows::text_at(row, 4).map_or(0, str::len);
        if count == options.batch_size.get() || bytes >= MAX_BATCH_BYTES {
            batch.next = Some(rows::text_at(row, 0)?.to_owned());
            break;
        }
    }
    Ok(batch)
}

fn statement(table: &Table, options: ScanOptions, after: Option<&str>) -> (String, Vec<Param>) {
    let mut binder = Binder::new(Dialect::Sqlite);
    let id = quote(&table.layout.id_column);
    let mut conditions = Vec::new();
    if let Some(after) = after {
        conditions.push(format!("{id} > {}", binder.text(after)));
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
