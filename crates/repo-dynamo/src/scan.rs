//! Reading whole tables, in pages and in segments.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::Select;
use futures::stream;
use repo_core::strategy::{
    RecordBatch, RecordStream, ScanOptions, Segment, UnreadableRecord, read_ahead,
};
use repo_core::{Error, Result};

use crate::cache::Table;
use crate::item::{Item, record_of};
use crate::layout::CREATED;
use crate::retry::patiently;
use crate::shared::Shared;
use crate::value::as_stored;

/// Which items a scan yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScannedItems {
    /// Live entities and tombstones. What remains of purged ones comes too,
    /// and is no record: they are few, and a filter takes the server time for
    /// every item.
    Records,
    /// Live entities.
    Live,
    /// Tombstones, and what remains of purged ones; without anything but their
    /// metadata, which is all they have.
    Dead,
}

impl ScannedItems {
    fn filter(self) -> Option<&'static str> {
        match self {
            Self::Records => None,
            Self::Live => Some("attribute_exists(#created)"),
            Self::Dead => Some("attribute_not_exists(#created)"),
        }
    }
}

/// Most items of a page where the caller does not say how many. DynamoDB ends a page at 1 MB
/// by itself; DynamoDB Local without a limit takes longer the larger the table is,
/// and does not answer in 10 seconds with 200,000 items.
pub(crate) const PAGE_ITEMS: usize = 2_000;

/// One page of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanPage {
    pub(crate) kept: ScannedItems,
    pub(crate) segment: Segment,
    pub(crate) strong: bool,
    /// Most items to look at.
    pub(crate) most: usize,
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
        self.scan_page_of(operation, &table.layout.table, page, start).await
    }

    /// The same of any table.
    pub(crate) async fn scan_page_of(
        &self,
        operation: &'static str,
        table: &str,
        page: ScanPage,
        start: Option<&Item>,
    ) -> Result<ScanOutput> {
        let scene = self.repeatable(operation, table);
        let filter = page.kept.filter();
        let names = filter.map(|_| HashMap::from([("#created".to_owned(), CREATED.to_owned())]));
        let as_i32 = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        patiently(self.patience, || async {
            let mut request = self
                .client
                .scan()
                .table_name(table)
                .consistent_read(page.strong)
                .set_filter_expression(filter.map(str::to_owned))
                .set_expression_attribute_names(names.clone())
                .limit(as_i32(page.most))
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
    let strong = shared.is_strong(options.consistency);
    let page = ScanPage {
        kept: ScannedItems::Records,
        segment: options.segment,
        strong,
        most: options.batch_size.get(),
        count_only: false,
    };
    let (asking, of) = (Arc::clone(&shared), Arc::clone(&table));
    let pages = stream::try_unfold(At::Start, move |at| {
        let (shared, table) = (Arc::clone(&asking), Arc::clone(&of));
        async move { next_page(&shared, &table, page, at).await }
    });
    read_ahead(pages, move |items: Vec<Item>| batch_of(&shared, &table, &items))
}

/// The next items and where the scan stands after them; none at the end only.
async fn next_page(
    shared: &Shared,
    table: &Table,
    page: ScanPage,
    mut at: At,
) -> Result<Option<(Vec<Item>, At)>> {
    loop {
        let start = match &at {
            At::Start => None,
            At::After(key) => Some(key),
            At::End => return Ok(None),
        };
        shared.check_open("scan")?;
        let answer = shared.scan_page("scan", table, page, start).await?;
        at = answer.last_evaluated_key.map_or(At::End, At::After);
        match answer.items {
            Some(items) if !items.is_empty() => return Ok(Some((items, at))),
            _ => {}
        }
    }
}

fn batch_of(shared: &Shared, table: &Table, items: &[Item]) -> Result<RecordBatch> {
    let on_unreadable = shared.options.on_unreadable();
    let mut batch = RecordBatch::with_capacity(items.len());
    for item in items {
        match record_of(&table.layout, item) {
            Ok(None) => {}
            Ok(Some(record)) => batch.records.push(record),
            Err(error) => batch.push(Err(unreadable(table, item, error)?), on_unreadable)?,
        }
    }
    Ok(batch)
}

/// Says which item cannot be read.
///
/// # Errors
/// The error itself for an item without an id.
fn unreadable(table: &Table, item: &Item, error: Error) -> Result<UnreadableRecord> {
    let key = item.get(table.layout.id_name()).and_then(|id| id.as_s().ok());
    let Some(id) = key else { return Err(error) };
    let collection = table.layout.schema.collection.clone();
    let stored = as_stored(item).to_string().into_bytes();
    Ok(UnreadableRecord::new(collection, id, Some(stored), error))
}
