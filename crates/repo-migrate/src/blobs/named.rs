//! Whether records name blobs, for runs that leave those behind.

use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use repo_core::Result;
use repo_core::strategy::Segment;

use super::record::{BlobRecord, collection};
use crate::store_reference::StoreReference;

/// Records that are looked at.
const LOOKED_AT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Whether any of the first records of the collection `blobs` needs bytes.
pub(crate) async fn names_blobs(side: &StoreReference) -> Result<bool> {
    let mut batches = side.scan(&collection()?, Segment::ALL, LOOKED_AT).await?;
    let first = batches.try_next().await?.unwrap_or_default();
    Ok(first
        .iter()
        .any(|record| matches!(BlobRecord::read(record), Ok(Some(BlobRecord::Needed(_))))))
}
