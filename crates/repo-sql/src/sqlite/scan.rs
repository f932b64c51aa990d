//! Reading a whole collection in batches, each its own short read: a scan of
//! hours must not keep the log from being written back.

use std::ops::Range;
use std::sync::Arc;

use futures::stream;
use repo_core::strategy::{
    OnUnreadable, Record, RecordBatch, RecordStream, ScanOptions, UnreadableRecord, read_ahead,
};
use repo_core::{CollectionName, Error, Result};
use rusqlite::{Connection, Row, params_from_iter};

use super::connection::IN_SEGMENT;
use super::read::with_table;
use super::readers::Readers;
use super::rows::{self, Cells};
use super::shared::Shared;
use super::table::Table;
use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::errors;
use crate::layout::record_columns;
use crate::names::quote;

/// A batch ends early at this many bytes of documents.
const MAX_BATCH_BYTES: usize = 4 * 1_024 * 1_024;

/// Rows for which there is room before any is read.
const MOST_ROOM: usize = 1_000;

/// A stream of batches in the order of ids. A record keeps its id, so
/// resuming after the last one neither repeats nor skips. Documents are checked while
/// the next batch is read.
pub(super) fn stream(
    shared: Arc<Shared>,
    readers: Readers,
    table: Arc<Table>,
    options: ScanOptions,
) -> RecordStream {
    let on_unreadable = shared.options.on_unreadable();
    let (scanned, of) = (Arc::clone(&table), Arc::clone(&shared));
    let start = (shared, readers, table, Some(None::<String>));
    let batches = stream::try_unfold(start, move |(shared, readers, table, position)| async move {
        let Some(after) = position else { return Ok(None) };
        let (reading, of) = (Arc::clone(&shared), Arc::clone(&table));
        let batch = readers
            .run("scan", move |connection| {
                next_batch(&reading, connection, &of.schema.collection, options, after.as_deref())
            })
            .await?;
        let position = batch.next().map(|id| Some(id.to_owned()));
        let goes_on = !batch.rows.is_empty();
        Ok(goes_on.then_some((batch, (shared, readers, table, position))))
    });
    read_ahead(batches, move |batch| batch.records(&of, &scanned, on_unreadable))
}

/// Rows as they were read, their text in one piece.
#[derive(Default)]
struct Batch {
    text: String,
    rows: Vec<Taken>,
    /// Whether more rows may follow.
    is_full: bool,
}

/// A row on its way to the thread that checks it.
enum Taken {
    /// Id and document are the text from the end of the row before.
    Cells {
        id_end: usize,
        end: usize,
        version: i64,
        created_at: i64,
        updated_at: i64,
        live: bool,
        digest: Option<i64>,
    },
    /// Cells are not of the right types: what is wrong, after the id.
    Read { id_end: usize, record: Result<Record, UnreadableRecord> },
}

impl Batch {
    fn with_room_for(rows: usize) -> Self {
        Self { rows: Vec::with_capacity(rows.min(MOST_ROOM)), ..Self::default() }
    }

    /// Takes a row over.
    ///
    /// # Errors
    /// `Corrupt` when not even its id is text: no row can be asked for after it.
    fn take(&mut self, collection: &CollectionName, row: &Row<'_>) -> Result<()> {
        let id = match rows::text_at(row, 0) {
            Ok(id) => id,
            Err(error) => return Err(rows::without_id(collection, error)),
        };
        self.text.push_str(id);
        let id_end = self.text.len();
        self.rows.push(match Cells::of(row) {
            Ok(cells) => {
                let Cells { version, created_at, updated_at, document, digest } = cells;
                self.text.push_str(document.unwrap_or_default());
                let (end, live) = (self.text.len(), document.is_some());
                Taken::Cells { id_end, end, version, created_at, updated_at, live, digest }
            }
            Err(_) => Taken::Read { id_end, record: rows::scanned(collection, row)? },
        });
        Ok(())
    }

    /// The id after which the next batch begins, if there is one.
    fn next(&self) -> Option<&str> {
        let (last, before) = self.rows.split_last().filter(|_| self.is_full)?;
        let start = before.last().map_or(0, Taken::end);
        self.text.get(start..last.id_end())
    }

    /// Checks every row.
    fn records(
        self,
        shared: &Shared,
        table: &Table,
        on_unreadable: OnUnreadable,
    ) -> Result<RecordBatch> {
        let collection = &table.schema.collection;
        let placed = |error: Error| {
            error.with("table", &table.layout.table).with("file", shared.file().display())
        };
        let mut batch = RecordBatch::with_capacity(self.rows.len());
        let text = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let mut start = 0;
        for row in self.rows {
            let (id_end, end) = (row.id_end(), row.end());
            let record = match row {
                Taken::Read { record, .. } => record,
                Taken::Cells { version, created_at, updated_at, live, digest, .. } => {
                    let document = live.then(|| text(id_end..end));
                    let cells = Cells { version, created_at, updated_at, document, digest };
                    let stored = || document.map(|text| text.as_bytes().to_vec());
                    rows::named_record(collection, text(start..id_end), Ok(cells), stored)
                }
            };
            batch.push(record.map_err(|record| record.map_error(placed)), on_unreadable)?;
            start = end;
        }
        Ok(batch)
    }
}

impl Taken {
    fn id_end(&self) -> usize {
        match self {
            Self::Cells { id_end, .. } | Self::Read { id_end, .. } => *id_end,
        }
    }

    fn end(&self) -> usize {
        match self {
            Self::Cells { end, .. } => *end,
            Self::Read { id_end, .. } => *id_end,
        }
    }
}

/// Reads with the collection as it is now: a digest that nobody watches over any more
/// is not to be looked at.
fn next_batch(
    shared: &Shared,
    connection: &Connection,
    collection: &CollectionName,
    options: ScanOptions,
    after: Option<&str>,
) -> Result<Batch> {
    with_table(shared, connection, "scan", collection, |table| {
        read_batch(shared, connection, table, options, after)
    })
}

fn read_batch(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    options: ScanOptions,
    after: Option<&str>,
) -> Result<Batch> {
    let failed = |source| errors::sqlite("scan", shared.file(), source);
    let (sql, params) = statement(table, options, after);
    let collection = &table.schema.collection;
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(&params)).map_err(failed)?;
    let most = options.batch_size.get();
    let mut batch = Batch::with_room_for(most);
    while let Some(row) = rows.next().map_err(failed)? {
        batch.take(collection, row)?;
        if batch.rows.len() == most || batch.text.len() >= MAX_BATCH_BYTES {
            batch.is_full = true;
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
    let digest = table.layout.digest.as_ref().map_or("", |_| ", \"_digest\"");
    let sql = format!(
        "SELECT {}{digest} FROM {}{filter} ORDER BY {id}",
        record_columns(&table.layout),
        quote(&table.layout.table)
    );
    (sql, binder.params().to_vec())
}
