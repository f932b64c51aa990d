//! URLs that carry a permission: uploads and downloads of entries. No key is asked for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use repo_blob::{BlobKey, FileName, Md5, PartNumber, SignedMethod};
use repo_core::{EntityId, ErrorKind, Value};
use repo_data::model::{BlobRef, BlobState, Content, EntryStatus, Json, UploadId, UploadKind};
use repo_data::{NewUpload, Piece, UploadProgress};
use serde_json::json;

use super::range::Part;
use crate::bytes::{
    Base, Download, base_name, byte_stream, exactly, key_of, key_of_outside, none, respond,
};
use crate::http::ApiError;
use crate::state::App;

const RESUMABLE: HeaderName = HeaderName::from_static("x-goog-resumable");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// Permanent Redirect, which these protocols use for "resume incomplete".
const INCOMPLETE: StatusCode = StatusCode::PERMANENT_REDIRECT;

/// The routes.
pub fn signed_routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/signed/entries/{id}", post(begin))
        .route("/signed/blobs/{key}", get(download))
        .route("/signed/outside/{id}/{number}", get(download_outside))
        .route("/signed/uploads/{upload}", put(append))
        .route("/signed/parts/{upload}/{number}", put(put_part))
        .with_state(app)
}

impl App {
    /// Whether a query carries the permission; the name of the file in it.
    fn permitted(
        &self,
        method: SignedMethod,
        key: &BlobKey,
        query: Option<&str>,
    ) -> Result<Option<FileName>, ApiError> {
        let now = self.clock.now();
        Ok(self.signer.check(method, key, query.unwrap_or_default(), now)?)
    }
}

/// Gives a blob, or a range of it.
async fn download(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key: BlobKey = key.parse()?;
    let named = app.permitted(SignedMethod::Get, &key, query.as_deref())?;
    let record = app.data.blob(&key).await?.value;
    let active = record.digest().filter(|_| record.state == BlobState::Active);
    let digest = active.ok_or_else(|| ApiError::not_found("the file is not there any more"))?;
    let blob = BlobRef::new(key, digest);
    let name = named.as_ref().map_or("file", FileName::as_str);
    let about = Download::of(&blob, name, record.content_type.as_deref());
    respond(&headers, about, async |range| {
        let opened = app.data.open_blob(&key, range).await?;
        Ok((opened.range, opened.bytes))
    })
    .await
}

/// Gives a file of a registered bucket, or a range of it, while the configuration lists the
/// bucket.
async fn download_outside(
    State(app): State<Arc<App>>,
    Path((id, number)): Path<(String, usize)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let gone = || ApiError::not_found("the file is not there any more");
    let id = EntityId::new(&id)?;
    app.permitted(SignedMethod::Get, &key_of_outside(&id, number)?, query.as_deref())?;
    let entry = match app.data.entry(&id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(gone()),
        found => found?.value,
    };
    let Content::Outside { location, files } = &entry.content else { return Err(gone()) };
    let name = &files.get(number).ok_or_else(gone)?.name;
    let Some(Value::Object(fields)) = location.metadata.as_ref().map(Json::to_value) else {
        return Err(gone());
    };
    let bucket = fields.get("bucket_name").and_then(Value::as_str);
    let bucket = bucket.filter(|_| entry.status == EntryStatus::Active).ok_or_else(gone)?;
    let known = app.buckets.head(bucket, name).await?;
    let (size, etag, name) = (known.size, known.etag, name.as_str());
    let about = Download { size, etag, sha256: None, name: base_name(name), content_type: None };
    respond(&headers, about, async |range| app.buckets.read((bucket, name), size, range).await)
        .await
}

/// Begins a resumable upload of the file of an entry.
async fn begin(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = EntityId::new(&id)?;
    app.permitted(SignedMethod::Post, &key_of(&id)?, query.as_deref())?;
    if headers.get(RESUMABLE).is_none_or(|value| value != "start") {
        return Err(ApiError::bad_request("this URL begins a resumable upload")
            .remedy("send `x-goog-resumable: start`"));
    }
    let upload = app.data.begin_upload(&NewUpload::new(id, UploadKind::Gcs)).await?.value.id;
    let base = Base::of(app.config.public_url.as_deref(), &headers)?;
    let path = format!("uploads/{upload}");
    let url = base.signed(&app.signer, (SignedMethod::Put, upload), &path, app.clock.now(), None);
    let location = HeaderValue::from_str(&url)
        .map_err(|_| ApiError::bad_request("the request has no usable Host"))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

/// Takes a range of a resumable upload. What it answers is durable.
async fn append(
    State(app): State<Arc<App>>,
    Path(upload): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let upload: UploadId = upload.parse()?;
    app.permitted(SignedMethod::Put, &upload, query.as_deref())?;
    let piece = match Part::of(&headers)? {
        Part::All => {
            let length = content_length(&headers).ok_or_else(|| {
                let why = "without Content-Range a Content-Length is needed";
                ApiError::new(StatusCode::LENGTH_REQUIRED, "Invalid", why)
            })?;
            let bytes = exactly(byte_stream(body), length);
            Piece { start: 0, total: Some(length), checksum: None, bytes }
        }
        Part::Bytes { first, length, total } => {
            if content_length(&headers).is_some_and(|given| given != length) {
                return Err(ApiError::bad_request("Content-Range and Content-Length differ"));
            }
            let bytes = exactly(byte_stream(body), length);
            Piece { start: first, total, checksum: None, bytes }
        }
        // The whole is nothing.
        Part::Ask { total: Some(0) } => {
            Piece { start: 0, total: Some(0), checksum: None, bytes: none() }
        }
        Part::Ask { .. } => return Ok(progress(&app.data.upload(&upload).await?)),
    };
    Ok(progress(&app.data.append(&upload, piece).await?))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// 200 when everything is there, else 308 and what is there. A 308 has no `Location`: clients
/// would go there.
fn progress(progress: &UploadProgress) -> Response {
    if let Some(digest) = &progress.complete {
        let body = json!({ "size": digest.size, "md5Hash": digest.md5.to_base64() });
        return (StatusCode::OK, axum::Json(body)).into_response();
    }
    let mut response = INCOMPLETE.into_response();
    if let Some(last) = progress.offset.checked_sub(1)
        && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{last}"))
    {
        response.headers_mut().insert(header::RANGE, range);
    }
    response
}

/// Takes a part of an upload in parts.
async fn put_part(
    State(app): State<Arc<App>>,
    Path((upload, number)): Path<(String, u16)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let upload: UploadId = upload.parse()?;
    app.permitted(SignedMethod::Put, &upload, query.as_deref())?;
    let number = PartNumber::new(number)?;
    let md5 = match headers.get(CONTENT_MD5) {
        None => None,
        Some(value) => {
            let text =
                value.to_str().map_err(|_| ApiError::bad_request("Content-MD5 is no text"))?;
            Some(Md5::from_base64(text)?)
        }
    };
    let receipt = app.data.put_part(&upload, number, byte_stream(body), md5).await?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", receipt.md5));
    let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    Ok((StatusCode::OK, [(header::ETAG, tag)]).into_response())
}
