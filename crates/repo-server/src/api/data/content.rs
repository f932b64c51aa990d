//! The bytes of an entry; of a directory as one zip.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_blob::{BlobDigest, ByteRange, ByteStream};
use repo_core::Result as StoreResult;
use repo_data::WhichRevision;
use repo_data::model::{BlobRef, Content, Entry, EntryKind};
use serde::Deserialize;
use utoipa::IntoParams;

use super::zip::zip_of;
use crate::access::readable;
use crate::auth::{Need, Read};
use crate::bytes::{Download, disposition, respond};
use crate::http::{ApiError, IdPath, Params};
use crate::state::App;

/// Which content is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct ContentParams {
    /// The number of a revision; the present content without it.
    revision: Option<u64>,
}

/// The bytes of a text or a file, or a range of them. Of a directory one zip, made while it is
/// sent, with the active entries in it that the caller may read; what is outside the service is
/// not in it, and a stream that ends without its last chunk is not whole.
#[utoipa::path(get, path = "/api/v1/entries/{id}/content", tag = "entries",
    params(("id" = String, Path), ContentParams, ("Range" = Option<String>, Header),
        ("If-Range" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream",
            description = "The bytes. `Repr-Digest` has their SHA-256."),
        (status = 206), (status = 304), (status = 404),
        (status = 409, description = "The bytes have not arrived, or are outside."),
        (status = 416)))]
pub(in crate::api) async fn content(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    Params(asked): Params<ContentParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut entry = readable(&app, &need.caller, &id).await?.value;
    if let Some(number) = asked.revision {
        entry = app.data.entry_at(&id, &WhichRevision::Number(number)).await?.0.value;
    }
    match &entry.content {
        Content::Inline(text) => inline(&headers, &entry, text).await,
        Content::Stored(blob) | Content::Spilled(blob) => {
            stored(&app, &headers, &entry, blob).await
        }
        Content::Nothing if entry.kind == EntryKind::Directory => {
            let reader = if need.caller.sees_all() { None } else { Some(need.caller.owner()?) };
            let zip = zip_of(&app, &entry.id, reader).await?;
            Ok(zipped(&entry.name, zip))
        }
        Content::Nothing => Err(refused("the entry has no content")),
        Content::Awaited { .. } => {
            Err(refused("the bytes of the entry have not arrived").remedy("finish the upload"))
        }
        Content::Outside { .. } => Err(refused("the content is outside the service")
            .remedy("read it where `outside` of the entry says that it is")),
    }
}

fn refused(why: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "Invalid", why)
}

fn name_of(entry: &Entry) -> &str {
    entry.file_path.as_deref().unwrap_or(&entry.name)
}

async fn stored(
    app: &App,
    headers: &HeaderMap,
    entry: &Entry,
    blob: &BlobRef,
) -> Result<Response, ApiError> {
    let about = Download::of(blob, name_of(entry), entry.content_type.as_deref());
    respond(headers, about, async |range| {
        let opened = app.data.open_blob(&blob.key, range).await?;
        Ok((opened.range, opened.bytes))
    })
    .await
}

async fn inline(headers: &HeaderMap, entry: &Entry, text: &str) -> Result<Response, ApiError> {
    let sha256 = BlobDigest::of(text.as_bytes()).sha256;
    let about = Download {
        size: text.len() as u64,
        etag: format!("\"{sha256}\""),
        sha256: Some(sha256),
        name: name_of(entry),
        content_type: Some(entry.content_type.as_deref().unwrap_or("text/plain; charset=utf-8")),
    };
    respond(headers, about, async |range| part_of(text, range)).await
}

/// A range of a text that is in memory.
fn part_of(
    text: &str,
    range: ByteRange,
) -> StoreResult<(std::ops::Range<u64>, ByteStream<'static>)> {
    let range = range.resolve(text.len() as u64)?;
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    let bytes = text.as_bytes().get(at(range.start)..at(range.end)).unwrap_or_default();
    let bytes = Bytes::copy_from_slice(bytes);
    Ok((range, stream::iter([Ok(bytes)]).boxed()))
}

/// A zip, whose length shows at its end.
fn zipped(name: &str, bytes: ByteStream<'static>) -> Response {
    let bytes = bytes.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(%error, "the zip of a directory broke off");
        }
    });
    let mut response = Body::from_stream(bytes).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/zip"));
    out.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("none"));
    out.insert(header::CONTENT_DISPOSITION, disposition(&format!("{name}.zip")));
    response
}
