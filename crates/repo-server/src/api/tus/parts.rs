//! An upload of a caller, and its end.

use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use repo_blob::BlobDigest;
use repo_core::{Error, ErrorKind};
use repo_data::model::{EntryStatus, UploadId, UploadKind};
use repo_data::{DataService, Piece, Refusal, UploadProgress};

use super::headers::mismatch;
use crate::auth::Caller;
use crate::http::ApiError;
use crate::state::App;

/// An upload that the caller may go on with.
///
/// # Errors
/// 404 for one that is not there, is somebody else's, or comes otherwise; 410 for one that has
/// ended.
pub(super) async fn upload_of(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<UploadProgress, ApiError> {
    let missing = || ApiError::not_found("there is no such upload").remedy("begin a new one");
    let Ok(id) = id.parse::<UploadId>() else { return Err(missing()) };
    let found = match app.data.upload(&id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        found => found?,
    };
    let may = caller.sees_all() || found.owner == caller.owner()?;
    if !may || found.kind != UploadKind::Tus {
        return Err(missing());
    }
    if found.expires_at <= app.clock.now() {
        return Err(ended());
    }
    Ok(found)
}

/// What is said of an upload whose time is over, or that was given up.
pub(super) fn ended() -> ApiError {
    ApiError::new(StatusCode::GONE, "NotFound", "the upload has ended").remedy("begin a new one")
}

/// Sees an upload to its end if all of its bytes are there: hashes them, stores them, and makes
/// the entry active. After a crash between these it goes on where it was.
///
/// # Errors
/// 460 when the whole has another digest than was announced; 404 when the entry was deleted.
pub(super) async fn settle(
    data: &DataService,
    progress: UploadProgress,
) -> Result<UploadProgress, Error> {
    let mut progress = progress;
    if progress.complete.is_none() && progress.total == Some(progress.offset) {
        let nothing = stream::empty().boxed();
        let piece = Piece { start: progress.offset, total: None, checksum: None, bytes: nothing };
        progress = data.append(&progress.id, piece).await?;
    }
    if let Some(digest) = progress.complete {
        activate(data, &progress, &digest).await?;
    }
    Ok(progress)
}

async fn activate(
    data: &DataService,
    progress: &UploadProgress,
    digest: &BlobDigest,
) -> Result<(), Error> {
    let entry = data.entry(&progress.entry).await?.value;
    let is_ours = entry.content.blob().is_some_and(|blob| blob.digest() == *digest);
    if entry.status == EntryStatus::Active && !is_ours {
        // It was revised since, or another upload was quicker: these bytes had their time.
        return Ok(());
    }
    data.activate_entry(&progress.entry, None).await.map(|_| ())
}

/// An error of the data service in the words of tus.
pub(super) fn told(error: Error) -> ApiError {
    let refusal = Refusal::of(&error);
    let error = ApiError::from(error);
    match refusal {
        Some(Refusal::WrongDigest) => error.with_status(mismatch()),
        _ => error,
    }
}
