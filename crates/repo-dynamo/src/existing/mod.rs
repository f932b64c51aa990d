//! Tables of another program as a store that is only read: its items have attributes of
//! its own, and nothing of ours.
//!
//! `search` finds a table for each declared collection, `item` makes records of items,
//! `reader` is what the contract is made of.

mod item;
mod reader;
mod search;
mod table;

use std::sync::Arc;

use repo_core::strategy::{Capabilities, ForeignStrategy, StorageStrategy};
use repo_core::{Error, ErrorKind, Result};

use crate::shared::Shared;
use reader::Items;
use search::search;

/// Most segments of a scan that we offer; DynamoDB allows a million.
const MAX_SCAN_SEGMENTS: usize = 1_024;

/// Opens tables of another program under a prefix that was refused as a store.
///
/// # Errors
/// The refusal, if there are none; why they cannot be read.
pub(crate) async fn open(shared: Arc<Shared>, refusal: Error) -> Result<Arc<dyn StorageStrategy>> {
    let may_be_theirs = matches!(refusal.kind(), ErrorKind::Foreign | ErrorKind::NotFound);
    if !shared.options.opens_foreign() || !may_be_theirs {
        return Err(refusal);
    }
    let tables = search(&shared, refusal).await?;
    let capabilities = Capabilities::new(shared.options.max_entity_bytes)
        .with_durable(true)
        .with_multi_process(true)
        .with_max_scan_segments(MAX_SCAN_SEGMENTS)
        .with_parallel_scan(true);
    let on_unreadable = shared.options.on_unreadable();
    let items = Items::new(shared, tables);
    Ok(Arc::new(ForeignStrategy::new(items, capabilities, on_unreadable)))
}
