//! How far an upload is, its pieces, and its giving up.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use repo_core::{ErrorKind, Value};
use repo_data::model::Json;
use repo_data::{Piece, UploadProgress};

use super::answer::{with_progress, with_text};
use super::headers::{METADATA, OFFSET, OVERRIDE, PIECE, checksum, number};
use super::names::KEPT_WITH;
use super::parts::{settle, told, upload_of};
use crate::access::acting;
use crate::auth::{Need, Write};
use crate::bytes::byte_stream;
use crate::http::ApiError;
use crate::state::App;

/// How far an upload is: `Upload-Offset` of `Upload-Length`.
#[utoipa::path(head, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 200, description = "`Upload-Offset`, `Upload-Length`, \
        `Upload-Metadata`, `Upload-Expires`, and `Upload-Entry`, the id of the entry."),
        (status = 404), (status = 410), (status = 412)))]
pub(in crate::api) async fn look(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = upload_of(&app, &need.caller, &id).await?;
    let data = acting(&app, &need.caller, &headers)?;
    // Where the server was killed with the last byte there, it is done now.
    let progress = settle(&data, found).await.map_err(told)?;
    let metadata = metadata_of(&app, &progress).await?;
    let mut response = with_progress(StatusCode::OK.into_response(), &progress);
    with_text(&mut response, METADATA, &metadata);
    Ok(response)
}

/// What the client said when the upload was begun.
async fn metadata_of(app: &App, progress: &UploadProgress) -> Result<String, ApiError> {
    let kept = match app.data.entry(&progress.entry).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        found => found?.value.extra.get(KEPT_WITH).map(Json::to_value),
    };
    let said = match &kept {
        Some(Value::Object(fields)) => fields.get("metadata").and_then(Value::as_str),
        _ => None,
    };
    Ok(said.map_or_else(
        || format!("entry {}", BASE64_STANDARD.encode(progress.entry.as_str())),
        str::to_owned,
    ))
}

/// Takes a piece of an upload, which begins where the upload is. What it answers is durable;
/// with the last byte the entry becomes active. With `Upload-Checksum` a piece is kept whole or
/// not at all; without, what came before it broke off is kept.
#[utoipa::path(patch, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path), ("Tus-Resumable" = String, Header),
        ("Upload-Offset" = u64, Header), ("Upload-Checksum" = Option<String>, Header)),
    request_body(content_type = "application/offset+octet-stream", description = "The bytes."),
    responses((status = 204, description = "`Upload-Offset` is where the next piece begins."),
        (status = 400), (status = 404),
        (status = 408, description = "The bytes stopped arriving; ask with HEAD what was kept."),
        (status = 409, description = "The upload is elsewhere."),
        (status = 410), (status = 412), (status = 413), (status = 415),
        (status = 460, description = "The digest is another one. The piece was not kept; of a \
            whole that was announced otherwise nothing was."),
        (status = 507, description = "All is there, and goes beyond a quota of the owner.")))]
pub(in crate::api) async fn append(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let found = upload_of(&app, &need.caller, &id).await?;
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != PIECE) {
        let why = "a piece of an upload has a type of its own";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid", why)
            .remedy(format!("send `Content-Type: {PIECE}`"))
            .close());
    }
    let start = number(&headers, &OFFSET)?
        .ok_or_else(|| ApiError::bad_request("Upload-Offset is missing").close())?;
    if start != found.offset {
        return elsewhere(&found);
    }
    fits(&headers, &found)?;
    let piece =
        Piece { start, total: None, checksum: checksum(&headers)?, bytes: byte_stream(body) };
    let data = acting(&app, &need.caller, &headers)?;
    // A task of its own: what came is kept, and the end is come to, even if the client leaves.
    let work = tokio::spawn(async move {
        let progress = data.append(&found.id, piece).await?;
        if progress.accepted { settle(&data, progress).await } else { Ok(progress) }
    });
    let done = work.await.map_err(|_| {
        let why = "the server made a mistake";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", why)
    })?;
    let progress = done.map_err(told)?;
    if !progress.accepted {
        return elsewhere(&progress);
    }
    Ok(with_progress(StatusCode::NO_CONTENT.into_response(), &progress))
}

/// 409 with the place where the upload is.
fn elsewhere(progress: &UploadProgress) -> Result<Response, ApiError> {
    let why = "the piece does not begin where the upload is";
    let error = ApiError::new(StatusCode::CONFLICT, "Conflict", why)
        .with("offset", progress.offset)
        .remedy("ask with HEAD, and send from there")
        .close();
    let mut response = error.into_response();
    response.headers_mut().insert(OFFSET, HeaderValue::from(progress.offset));
    Ok(response)
}

/// Refuses a piece that says that it goes beyond the end, before a byte of it is read.
fn fits(headers: &HeaderMap, progress: &UploadProgress) -> Result<(), ApiError> {
    let declared = number(headers, &header::CONTENT_LENGTH)?;
    let left = progress.total.map(|total| total.saturating_sub(progress.offset));
    match (declared, left) {
        (Some(declared), Some(left)) if declared > left => {
            let why = "the piece is larger than what is left of the upload";
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", why)
                .with("limit", left)
                .close())
        }
        _ => Ok(()),
    }
}

/// Gives an upload up. What is complete stays the content of its entry.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 204), (status = 404), (status = 410), (status = 412)))]
pub(in crate::api) async fn terminate(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = upload_of(&app, &need.caller, &id).await?;
    acting(&app, &need.caller, &headers)?.abort_upload(&found.id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The method that `X-HTTP-Method-Override` names, for clients behind what lets only `POST`
/// through.
pub(in crate::api) async fn overridden(
    need: Need<Write>,
    state: State<Arc<App>>,
    id: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let named = headers.get(OVERRIDE).and_then(|name| name.to_str().ok()).map(str::to_owned);
    match named.as_deref() {
        Some("PATCH") => append(need, state, id, headers, body).await,
        Some("HEAD") => look(need, state, id, headers).await,
        Some("DELETE") => terminate(need, state, id, headers).await,
        _ => {
            let why = "this route does not know the method";
            Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Invalid", why).close())
        }
    }
}
