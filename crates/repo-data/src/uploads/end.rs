//! The end of an upload whose bytes are not wanted any more, or are wrong.

use repo_core::{Result, Timestamp};

use crate::blobs::condemn_pending;
use crate::model::{UploadId, UploadRecord};
use crate::records::Tx;

/// Ends an upload within a commit: nothing more of it is taken, and the sweeper finds what
/// arrived at once. What was activated of it stays. Whether its blob was still pending.
pub(crate) async fn end_in(tx: &mut Tx, id: &UploadId, now: Timestamp) -> Result<bool> {
    let condemned = condemn_pending(tx, id, now).await?;
    if let Some(found) = tx.find::<UploadRecord>(&id.to_string()).await?
        && found.value.due > now
    {
        tx.put(&UploadRecord { due: now, ..found.value })?;
    }
    Ok(condemned)
}
