//! Reading whole tables, in pages and in segments.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::Select;
use futures::stream::{self, StreamExt as _};
use repo_core::{
    Consistency, Error, RecordStream, Result, ScanOptions, Scanned, Segment, Unreadable,
};

use crate::catalog::Table;
use crate::item::{Item, record_of};
use crate::layout::{CREATED, PURGED};
use crate::retry::patiently;
use crate::shared::Shared;

/// Which items a scan yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Live entities and tombstones.
    Records,
    /// Live entities.
    Live,
    /// Tombstones, and what remains of purged ones; without anything but their
    /// metadata, which is all they have.
    Dead,
}

impl Kept {
    fn filter(self) -> (&'static str, &'static str) {
        match self {
            Self::Records => ("attribute_not_exists(#kept)", PURGED),
            Self::Live => ("attribute_exists(#kept)", CREATED),
            Self::Dead => ("attribute_not_exists(#kept)", CREATED),
        }
    }
}

/// One page of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanPage {
    pub(crate) kept: Kept,
    pub(crate) segment: Segment,
    pub(crate) strong: bool,
    /// Most items to look at; `None` for as many as DynamoDB takes (1 MB).
    pub(crate) most: Option<usize>,
    /// Whether only the number of items is wanted.
    pub(crate) count_only: bool,
}

impl Shared {
    /// The next page after `start`.
    pub(crate) async fn scan_page(
        &self,
        operation: &'static str,
        table: &Table,
        page: ScanPage,
        start: Option<&Item>,
    ) -> Result<ScanOutput> {
        let scene = self.repeatable(operation, &table.layout.table);
        let (filter, attribute) = page.kept.filter();
        let as_i32 = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        patiently(self.patience, || async {
            let mut request = self
                .client
                .scan()
                .table_name(&table.layout.table)
                .consistent_read(page.strong)
                .filter_expression(filter)
                .expression_attribute_names("#kept", attribute)
                .set_limit(page.most.map(as_i32))
                .set_exclusive_start_key(start.cloned());
            if page.count_only {
                request = request.select(Select::Count);
            }
            if page.segment.total() > 1 {
                request = request
                    .segment(as_i32(page.segment.index()))
                    .total_segments(as_i32(page.segment.total()));
            }
            request.send().await.map_err(|error| scene.failure(&error))
        })
        .await
    }
}

/// Where a stream of pages stands.
enum At {
    Start,
    After(Item),
    End,
}

/// All records of a segment.
pub(crate) fn stream(shared: Arc<Shared>, table: Arc<Table>, options: ScanOptions) -> RecordStream {
    let strong = options.consistency == Consistency::Strong || shared.settings.consistent_reads;
    let page = ScanPage {
        kept: Kept::Records,
        segment: options.segment,
        strong,
        most: Some(options.batch_size.get()),
        count_only: false,
    };
    let batches = stream::unfold(At::Start, move |at| {
        let (shared, table) = (Arc::clone(&shared), Arc::clone(&table));
        async move {
            match next_batch(&shared, &table, page, at).await {
                Ok((batch, _)) if batch.is_empty() => None,
                Ok((batch, next)) => Some((batch.into_items(), next)),
                Err(error) => Some((vec![Err(error)], At::End)),
            }
        }
    });
    batches.flat_map(stream::iter).boxed()
}

/// The next records; none at the end only.
async fn next_batch(
    shared: &Shared,
    table: &Table,
    page: ScanPage,
    mut at: At,
) -> Result<(Scanned, At)> {
    loop {
        let start = match &at {
            At::Start => None,
            At::After(key) => Some(key),
            At::End => return Ok((Scanned::default(), At::End)),
        };
        shared.check_open("scan")?;
        let answer = shared.scan_page("scan", table, page, start).await?;
        at = answer.last_evaluated_key.map_or(At::End, At::After);
        let mut scanned = Scanned::default();
        for item in answer.items.unwrap_or_default() {
            let record = record_of(&table.layout, &item).transpose();
            if let Some(record) = record.map(|record| record.map_err(|e| named(table, &item, e))) {
                scanned.push(record, shared.options.on_unreadable())?;
            }
        }
        if !scanned.is_empty() {
            return Ok((scanned, at));
        }
    }
}

/// Says which item cannot be read.
fn named(table: &Table, item: &Item, error: Error) -> Error {
    let key = item.get(table.layout.id_name()).and_then(|id| id.as_s().ok());
    let Some(id) = key else { return error };
    let collection = table.layout.schema.collection.clone();
    error.about_unreadable(Unreadable { collection, id: id.clone(), text: None })
}
