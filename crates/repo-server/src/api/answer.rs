//! Entities as JSON. Documents are written as they are stored, so that numbers stay exact.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use repo_core::{Entity, Written};
use serde_json::json;

use crate::http::ETag;

/// An entity with its document, on one line.
#[must_use]
pub(super) fn entity_json(entity: &Entity) -> String {
    let mut text = json!({
        "id": entity.id,
        "version": entity.version,
        "created_at": entity.created_at,
        "updated_at": entity.updated_at,
    })
    .to_string();
    text.pop();
    let _ = write!(text, ",\"document\":{}}}", entity.document.as_str());
    text
}

/// JSON that is text already.
#[must_use]
pub fn json_text(status: StatusCode, text: String) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, kind, Body::from(text)).into_response()
}

/// What a write left of a document: its id, version and times.
#[must_use]
pub(super) fn written_json(id: &str, written: &Written) -> serde_json::Value {
    match written {
        Written::Put { version, created_at, updated_at } => json!({
            "id": id, "version": version, "created_at": created_at, "updated_at": updated_at,
        }),
        Written::Deleted { version, deleted_at } => json!({
            "id": id, "version": version, "deleted_at": deleted_at,
        }),
        Written::Unchanged => json!({ "id": id, "unchanged": true }),
    }
}

/// Adds the ETag of what was written.
#[must_use]
pub fn tagged(mut response: Response, version: Option<repo_core::Version>) -> Response {
    if let Some(version) = version {
        response.headers_mut().insert(header::ETAG, ETag(version).into());
    }
    response
}

/// What the one write of a commit left.
#[must_use]
pub(super) fn only(written: &[Written]) -> Written {
    written.first().copied().unwrap_or(Written::Unchanged)
}
