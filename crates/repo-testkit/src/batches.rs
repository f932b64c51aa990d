//! The records of a scan, for tests.

use futures::TryStreamExt as _;
use repo_core::Result;
use repo_core::strategy::{Record, RecordStream};

/// The batches of a scan that can read every record.
///
/// # Errors
/// The scan's, or that of the first record that it could not read.
pub async fn batches(stream: RecordStream) -> Result<Vec<Vec<Record>>> {
    stream.and_then(|batch| std::future::ready(batch.into_records())).try_collect().await
}
