//! An answer with bytes.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use repo_blob::{ByteRange, ByteStream, Sha256};
use repo_core::{ErrorKind, Result};
use repo_data::model::BlobRef;

use super::names::disposition;
use super::range::{Asked, asked};
use crate::http::ApiError;

/// What is known of bytes that are asked for.
#[derive(Debug)]
pub struct Download<'a> {
    /// Bytes.
    pub size: u64,
    /// What tells this content from others, in quotes.
    pub etag: String,
    /// Its digest, where it is known.
    pub sha256: Option<Sha256>,
    /// What they are called.
    pub name: &'a str,
    /// What they are said to be. It is given for a download only, never to be shown: a page of
    /// somebody else would run as one of ours.
    pub content_type: Option<&'a str>,
}

impl<'a> Download<'a> {
    /// A blob of ours.
    #[must_use]
    pub fn of(blob: &BlobRef, name: &'a str, content_type: Option<&'a str>) -> Self {
        let etag = format!("\"{}\"", blob.sha256);
        Self { size: blob.size, etag, sha256: Some(blob.sha256), name, content_type }
    }
}

/// Answers with bytes, or with a range of them. `read` opens the bytes of a range.
///
/// # Errors
/// 416 for a range that the bytes end before; those of the store.
pub async fn respond<F>(
    headers: &HeaderMap,
    about: Download<'_>,
    read: impl FnOnce(ByteRange) -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<(Range<u64>, ByteStream<'static>)>>,
{
    let Download { size, etag, sha256, name, content_type } = about;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known == "*" || known.split(',').any(|tag| tag.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = match asked(headers, &etag) {
        Asked::Whole => ByteRange::WHOLE,
        Asked::Part(range) => range,
        Asked::Nothing => return Ok(not_satisfiable(size)),
    };
    if range.resolve(size).is_err() {
        return Ok(not_satisfiable(size));
    }
    let (sent, bytes) = match read(range).await {
        Err(error) if error.kind() == ErrorKind::Invalid => return Ok(not_satisfiable(size)),
        read => read?,
    };
    let length = sent.end.saturating_sub(sent.start);
    let content_range = format!("bytes {}-{}/{size}", sent.start, sent.end.max(1) - 1);
    let broken = |error: &repo_core::Error| tracing::error!(%error, "a download broke off");
    let bytes = bytes.inspect(move |piece| {
        if let Err(error) = piece {
            broken(error);
        }
    });
    let mut response = Body::from_stream(bytes).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, content_type_of(content_type));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::CONTENT_DISPOSITION, disposition(name));
    let mut text = |name: header::HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(name, value);
        }
    };
    text(header::ETAG, etag);
    if let Some(sha256) = sha256 {
        let digest = format!("sha-256=:{}:", sha256.to_base64());
        text(header::HeaderName::from_static("repr-digest"), digest);
    }
    if !range.is_whole() {
        text(header::CONTENT_RANGE, content_range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn content_type_of(given: Option<&str>) -> HeaderValue {
    given
        .and_then(|text| HeaderValue::from_str(text).ok())
        .unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"))
}

/// What clients that resume take for: you have everything.
fn not_satisfiable(size: u64) -> Response {
    let message = "the content ends before this range";
    let error =
        ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "Invalid", message).with("size", size);
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}
