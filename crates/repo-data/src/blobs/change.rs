//! Changes of the state of a blob, inside the transaction of what refers to it.

use repo_blob::BlobKey;
use repo_core::{Error, Result, Timestamp};

use crate::model::{BlobRecord, BlobRef, BlobState, StoreName};
use crate::records::Tx;
use crate::refusal::Refusal;

/// Pending → active. Active with the same digest stays so.
///
/// # Errors
/// The refusal `Expired` when the sweeper was quicker.
pub(crate) async fn activate(tx: &mut Tx, blob: &BlobRef) -> Result<StoreName> {
    let Some(found) = tx.find::<BlobRecord>(&blob.key.to_string()).await? else {
        return Err(expired(&blob.key));
    };
    let mut record = found.value;
    match record.state {
        BlobState::Pending => {
            record.activate(blob.digest());
            tx.put(&record)?;
            Ok(record.store)
        }
        BlobState::Active if record.digest() == Some(blob.digest()) => Ok(record.store),
        _ => Err(expired(&blob.key)),
    }
}

fn expired(key: &BlobKey) -> Error {
    Refusal::Expired
        .error("activate", "the bytes were given up before they were needed")
        .with("blob", key)
}

/// Pending or active → condemned, until a moment. What is on its way out stays so.
pub(crate) async fn condemn(
    tx: &mut Tx,
    key: &BlobKey,
    delete_after: Timestamp,
) -> Result<Option<StoreName>> {
    let Some(found) = tx.find::<BlobRecord>(&key.to_string()).await? else { return Ok(None) };
    let mut record = found.value;
    if matches!(record.state, BlobState::Pending | BlobState::Active) {
        record.condemn(delete_after);
        tx.put(&record)?;
    }
    Ok(Some(record.store))
}

/// Pending → condemned, due at once; every other state stays. Whether it did.
pub(crate) async fn condemn_pending(tx: &mut Tx, key: &BlobKey, now: Timestamp) -> Result<bool> {
    let Some(found) = tx.find::<BlobRecord>(&key.to_string()).await? else { return Ok(false) };
    let mut record = found.value;
    if record.state != BlobState::Pending {
        return Ok(false);
    }
    record.condemn(now);
    tx.put(&record)?;
    Ok(true)
}

/// Condemned → active. Active stays so.
///
/// # Errors
/// The refusal `TooLate` when its bytes may be gone.
pub(crate) async fn restore(tx: &mut Tx, key: &BlobKey) -> Result<StoreName> {
    let too_late = || {
        Refusal::TooLate
            .error("restore", "the bytes are being removed, or are gone")
            .with("blob", key)
    };
    let found = tx.find::<BlobRecord>(&key.to_string()).await?.ok_or_else(too_late)?;
    let mut record = found.value;
    match record.state {
        BlobState::Condemned if record.digest().is_some() => {
            record.restore();
            tx.put(&record)?;
            Ok(record.store)
        }
        BlobState::Active => Ok(record.store),
        _ => Err(too_late()),
    }
}

/// Any state → deleting: from the commit on nobody can restore it. The store, if the record is
/// there.
pub(crate) async fn delete_for_good(
    tx: &mut Tx,
    key: &BlobKey,
    now: Timestamp,
) -> Result<Option<StoreName>> {
    let Some(found) = tx.find::<BlobRecord>(&key.to_string()).await? else { return Ok(None) };
    let mut record = found.value;
    if record.state != BlobState::Deleting {
        record.begin_deleting(now);
        tx.put(&record)?;
    }
    Ok(Some(record.store))
}
