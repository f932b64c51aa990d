//! Reading a whole collection in batches, each its own short statement: a
//! transaction of hours would keep the server from tidying up.

use std::sync::Arc;

use futures::stream;
use repo_core::Result;
use repo_core::strategy::{RecordBatch, RecordStream, ScanOptions, read_ahead};

use super::read;
use super::rows;
use super::rows::PgRow;
use super::shared::Shared;
use super::statement::Statement;
use super::table::Table;
use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::chunk::Chunk;
use crate::layout::record_columns;
use crate::names::quote;

/// Where a scan stands.
struct Position {
    after: Option<String>,
    chunk: Chunk,
    ended: bool,
}

/// A stream of batches in the order of ids. A record keeps its id, so
/// resuming after the last one neither repeats nor skips.
pub(super) fn stream(shared: Arc<Shared>, table: Arc<Table>, options: ScanOptions) -> RecordStream {
    let mut chunk = Chunk::default();
    chunk.at_most(options.batch_size.get());
    let (asking, of) = (Arc::clone(&shared), Arc::clone(&table));
    let start = (asking, of, Position { after: None, chunk, ended: false });
    let batches = stream::try_unfold(start, move |(shared, table, mut position)| async move {
        if position.ended {
            return Ok(None);
        }
        let rows = next_rows(&shared, &table, options, &mut position).await?;
        Ok((!rows.is_empty()).then_some((rows, (shared, table, position))))
    });
    read_ahead(batches, move |rows: Vec<PgRow>| batch_of(&shared, &table, &rows))
}

async fn next_rows(
    shared: &Shared,
    table: &Table,
    options: ScanOptions,
    position: &mut Position,
) -> Result<Vec<PgRow>> {
    shared.check_open("scan")?;
    let next = statement(table, options, position);
    let rows = read::run_at(shared, "scan", options.consistency, next).await?;
    let bytes = rows.iter().map(|row| rows::bytes_at(row, 4)).sum();
    position.ended = position.chunk.is_last_of(rows.len(), bytes);
    position.after = rows.last().map(|row| rows::text_at(row, 0)).transpose()?;
    Ok(rows)
}

fn batch_of(shared: &Shared, table: &Table, rows: &[PgRow]) -> Result<RecordBatch> {
    let on_unreadable = shared.options.on_unreadable();
    let mut batch = RecordBatch::with_capacity(rows.len());
    for row in rows {
        batch.push(rows::scanned(&table.schema.collection, row)?, on_unreadable)?;
    }
    Ok(batch)
}

fn statement(table: &Table, options: ScanOptions, position: &Position) -> Statement {
    let mut binder = Binder::new(Dialect::Postgres);
    let id = quote(&table.layout.id_column);
    let mut conditions = Vec::new();
    if let Some(after) = &position.after {
        conditions.push(format!("{id} > {}", binder.text(after)));
    }
    let number = |n: usize| Param::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    if options.segment.total() > 1 {
        let total = binder.bind(number(options.segment.total()));
        let index = binder.bind(number(options.segment.index()));
        // The hash may be negative; the remainder of the remainder is not.
        conditions
            .push(format!("((hashtextextended({id}, 0) % {total}) + {total}) % {total} = {index}"));
    }
    let filter = match conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let most = binder.bind(number(position.chunk.rows));
    let sql = format!(
        "SELECT {} FROM {}{filter} ORDER BY {id} LIMIT {most}",
        record_columns(&table.layout),
        quote(&table.layout.table)
    );
    Statement::made(sql, binder.params().iter().cloned().map(Into::into))
}
