//! The beginning of an upload, and what the server offers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use repo_data::model::{Entry, EntryStatus, UploadId, UploadKind};
use repo_data::{DataService, NewUpload, Refusal, UploadProgress, Versioned};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{with_progress, with_text};
use super::headers::{
    ALGORITHM, ALGORITHMS, DEFER, EXTENSION, LENGTH, MAX_SIZE, OFFERED, OFFSET, SPOKEN, VERSION,
    number,
};
use super::metadata::Metadata;
use super::names::upload_path;
use super::parts::{settle, told};
use crate::access::{acting, changeable};
use crate::api::answer::serialized;
use crate::api::data::body::{creation_error, creation_key};
use crate::api::data::create::may_be_put;
use crate::auth::{Caller, Need, Write};
use crate::http::ApiError;
use crate::state::App;

/// What the server offers of tus.
#[utoipa::path(options, path = "/api/v1/uploads", tag = "uploads",
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and \
        `Tus-Checksum-Algorithm`.")))]
pub(in crate::api) async fn offer(State(app): State<Arc<App>>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(VERSION, SPOKEN);
    headers.insert(EXTENSION, HeaderValue::from_static(OFFERED));
    headers.insert(ALGORITHM, HeaderValue::from_static(ALGORITHMS));
    headers.insert(MAX_SIZE, HeaderValue::from(app.config.limits.max_upload_bytes.get()));
    response
}

/// An upload that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Begun {
    /// Its id, the last step of its path.
    id: String,
    /// The entry that the bytes are for.
    entry: String,
    /// `pending`, or `active` where the bytes are all there.
    #[schema(value_type = String)]
    status: EntryStatus,
    /// Bytes that are there.
    offset: u64,
    /// Bytes in all.
    length: u64,
}

/// Begins an upload. `Upload-Metadata` says for which entry: `entry` is one that awaits its
/// bytes; else `name` makes one, with `description`, `content_type`, `dataset`, `parent`,
/// `project`, `tags` and `metadata` as JSON, and `kind` (`file`, `collection`). With `sha256` or
/// `md5` in hexadecimal digits the whole is compared. Begun again with the same
/// `Idempotency-Key` an upload goes on.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads",
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = u64, Header),
        ("Upload-Metadata" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Begun, description = "`Location` has its path."),
        (status = 400), (status = 404), (status = 409), (status = 412), (status = 413),
        (status = 422), (status = 507)))]
pub(in crate::api) async fn create(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let length = length(&app, &headers)?;
    let about = Metadata::of(&headers)?;
    // What is wrong with them shows before an entry is made.
    about.digests()?;
    let data = acting(&app, &need.caller, &headers)?;
    let (found, ours) = entry_for(&app, (&data, &need.caller), (&about, length), &headers).await?;
    if let Some(known) = known(&data, &found, length, ours).await? {
        return answered(known, &found.value);
    }
    let begun = begin(&data, (&found, ours), (&about, length)).await?;
    // An empty file is there already.
    let progress = settle(&data, data.upload(&begun).await?).await.map_err(told)?;
    answered(progress, &data.entry(&found.value.id).await?.value)
}

/// The entry that the bytes are for, and whether it was made for them.
async fn entry_for(
    app: &App,
    (data, caller): (&DataService, &Caller),
    (about, length): (&Metadata, u64),
    headers: &HeaderMap,
) -> Result<(Versioned<Entry>, bool), ApiError> {
    if let Some(id) = about.entry()? {
        return Ok((changeable(app, caller, &id).await?, false));
    }
    let key = creation_key(headers)?;
    let mut new = about.new_entry(caller.owner()?, length)?;
    new.idempotency_key.clone_from(&key);
    may_be_put(app, caller, new.parent.as_ref(), new.dataset.as_ref()).await?;
    let made = data.create_entry(new).await;
    Ok((made.map_err(|error| creation_error(error, key.is_some()))?, true))
}

async fn begin(
    data: &DataService,
    (found, ours): (&Versioned<Entry>, bool),
    (about, length): (&Metadata, u64),
) -> Result<UploadId, ApiError> {
    let (sha256, md5) = about.digests()?;
    let entry = &found.value;
    let new = NewUpload::new(entry.id.clone(), UploadKind::Tus);
    let new = NewUpload { total: Some(length), sha256, md5, ..new };
    match data.begin_upload(&new).await {
        Ok(begun) => Ok(begun.value.id),
        Err(error) => {
            // Nobody would ever bring the bytes of an entry that was made for them.
            if ours && entry.upload.is_none() && entry.status == EntryStatus::Pending {
                let _ = data.delete_entry(&entry.id, Some(found.version)).await;
            }
            Err(error.into())
        }
    }
}

/// How many bytes there will be.
fn length(app: &App, headers: &HeaderMap) -> Result<u64, ApiError> {
    if headers.contains_key(DEFER) {
        return Err(ApiError::bad_request("an upload says its length when it is begun")
            .remedy("send Upload-Length"));
    }
    let length = number(headers, &LENGTH)?
        .ok_or_else(|| ApiError::bad_request("Upload-Length is missing"))?;
    let most = app.config.limits.max_upload_bytes.get();
    if length > most {
        let why = "the upload is larger than the server takes";
        return Err(
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", why).with("limit", most)
        );
    }
    Ok(length)
}

/// The upload that a repeated creation finds.
async fn known(
    data: &DataService,
    found: &Versioned<Entry>,
    length: u64,
    ours: bool,
) -> Result<Option<UploadProgress>, ApiError> {
    let entry = &found.value;
    let id = match entry.status {
        EntryStatus::Pending => entry.upload,
        // Begun again although all is there: its answer was lost.
        EntryStatus::Active if ours => entry.content.blob().map(|blob| blob.key),
        EntryStatus::Active | EntryStatus::Deleted => None,
    };
    let Some(id) = id else { return Ok(None) };
    let progress = match data.upload(&id).await {
        Ok(progress) => progress,
        // It was left alone for too long, or its record is gone since it is complete.
        Err(error) => match (Refusal::of(&error), entry.content.blob()) {
            (_, Some(blob)) if entry.status == EntryStatus::Active => UploadProgress {
                id,
                kind: UploadKind::Tus,
                entry: entry.id.clone(),
                owner: entry.owner.clone(),
                accepted: true,
                offset: blob.size,
                total: Some(blob.size),
                complete: Some(blob.digest()),
                expires_at: entry.modified_at,
            },
            (Some(Refusal::Expired), _) => return Ok(None),
            _ if error.kind() == repo_core::ErrorKind::NotFound => return Ok(None),
            _ => return Err(error.into()),
        },
    };
    let same = progress.kind == UploadKind::Tus && progress.total == Some(length);
    Ok(Some(progress).filter(|_| same))
}

fn answered(progress: UploadProgress, entry: &Entry) -> Result<Response, ApiError> {
    let body = Begun {
        id: progress.id.to_string(),
        entry: entry.id.to_string(),
        status: entry.status,
        offset: progress.offset,
        length: progress.total.unwrap_or(progress.offset),
    };
    let response = serialized(StatusCode::CREATED, &body, None)?;
    let mut response = with_progress(response, &progress);
    with_text(&mut response, header::LOCATION, &upload_path(&progress.id));
    if progress.offset == 0 {
        // Only a creation that found more says so: clients take it for bytes that they sent.
        response.headers_mut().remove(OFFSET);
    }
    Ok(response)
}
