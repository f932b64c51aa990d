//! Entities as JSON. Documents are written as they are stored, so that numbers stay exact.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use repo_core::{Entity, Version, Written};
use serde::Serialize;
use serde_json::json;

use crate::http::{ApiError, ETag, IfNoneMatch};

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

/// Something as JSON, with its version as the ETag.
///
/// # Errors
/// None that can happen: what is written has keys that are texts.
pub(super) fn serialized(
    status: StatusCode,
    body: &impl Serialize,
    version: Option<Version>,
) -> Result<Response, ApiError> {
    let text = serde_json::to_string(body).map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", error.to_string())
    })?;
    Ok(tagged(json_text(status, text), version))
}

/// 304, where the caller has this version already.
///
/// # Errors
/// 400 for what is no list of ETags.
pub(super) fn not_modified(
    headers: &HeaderMap,
    version: Version,
) -> Result<Option<Response>, ApiError> {
    let same = match IfNoneMatch::of(headers)? {
        IfNoneMatch::Absent => false,
        IfNoneMatch::Any => true,
        IfNoneMatch::Versions(versions) => versions.contains(&version),
    };
    Ok(same.then(|| tagged(StatusCode::NOT_MODIFIED.into_response(), Some(version))))
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
pub fn tagged(mut response: Response, version: Option<Version>) -> Response {
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
