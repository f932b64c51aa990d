//! Going through a table in the order of its ids, in short reads: each begins
//! behind the last id of the one before. No writer waits for them.

use std::sync::Arc;

use repo_core::strategy::{OnUnreadable, Record, RecordBatch};
use repo_core::{EntityId, Result};

use super::document::{stands_twice, without_id};
use super::reader::TableReader;
use super::table::Table;
use crate::chunk::{Chunk, document_bytes};

/// Where a read of a table stands.
#[derive(Debug)]
pub(super) struct Pages {
    reader: Arc<dyn TableReader>,
    table: Arc<Table>,
    operation: &'static str,
    after: Option<EntityId>,
    chunk: Chunk,
    ended: bool,
}

impl Pages {
    /// From behind `after`, with at most `most` records at a time.
    pub(super) fn new(
        reader: &Arc<dyn TableReader>,
        table: &Arc<Table>,
        operation: &'static str,
        after: Option<EntityId>,
        most: usize,
    ) -> Self {
        let mut chunk = Chunk::default();
        chunk.at_most(most);
        let (reader, table) = (Arc::clone(reader), Arc::clone(table));
        Self { reader, table, operation, after, chunk, ended: false }
    }

    /// The next records, at least one; `None` at the end. Rows that cannot be read may
    /// be set aside.
    ///
    /// # Errors
    /// `Corrupt`, naming the row, for one that cannot be read.
    pub(super) async fn next_past(
        &mut self,
        on_unreadable: OnUnreadable,
    ) -> Result<Option<RecordBatch>> {
        if self.ended {
            return Ok(None);
        }
        let (reader, table, operation) = (&self.reader, &self.table, self.operation);
        reader.check_open(operation)?;
        if self.after.is_none()
            && !table.every_row_has_an_id
            && let Some(place) = reader.without_id(operation, table).await?
        {
            return Err(without_id(table, place));
        }
        let after = self.after.as_ref();
        let rows = reader.after(operation, table, after, self.chunk.rows).await?;
        let page = rows.into_page(on_unreadable)?;
        let records = &page.batch.records;
        let ids = after.into_iter().chain(records.iter().map(Record::id));
        if let Some(id) = ids.clone().zip(ids.skip(1)).find_map(|(a, b)| (a == b).then_some(b)) {
            return Err(stands_twice(table, id));
        }
        self.ended = self.chunk.is_last_of(page.rows, document_bytes(records));
        self.after = page.last;
        Ok((!page.batch.is_empty()).then_some(page.batch))
    }
}
