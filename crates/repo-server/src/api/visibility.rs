//! Which collections are seen here, and which are written.

use repo_core::CollectionName;

use crate::http::ApiError;

/// Collections that hold secrets or the server's own bookkeeping: nobody sees them here.
const HIDDEN: [&str; 2] = [crate::auth::COLLECTION, super::idempotency::COLLECTION];
/// Collections whose rules only their own routes keep: they are read here, not written.
const READ_ONLY: [&str; 8] =
    ["datasets", "entries", "datapoints", "revisions", "blobs", "uploads", "usage", "service"];

/// Refuses a collection that is not to be seen here.
///
/// # Errors
/// 404, as for one that is not there.
pub fn visible(collection: &CollectionName) -> Result<(), ApiError> {
    if HIDDEN.contains(&collection.as_str()) {
        return Err(ApiError::not_found("there is no such collection")
            .with("collection", collection.as_str()));
    }
    Ok(())
}

/// Refuses a collection that is not to be written here.
///
/// # Errors
/// 404 for one that is not to be seen, 403 for one that other routes write.
pub fn writable(collection: &CollectionName) -> Result<(), ApiError> {
    visible(collection)?;
    if READ_ONLY.contains(&collection.as_str()) {
        return Err(ApiError::forbidden("this collection is written by the data service alone")
            .with("collection", collection.as_str())
            .remedy("use its routes: `/api/v1/entries`, `/api/v1/datasets`, `/datapoint`"));
    }
    Ok(())
}
