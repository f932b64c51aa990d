//! One document: read, written and deleted, with the conditions of HTTP.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Document, ErrorKind, Key, Precondition, Write};

use super::answer::{json_text, not_modified, only, tagged, written_json};
use super::idempotency::{Answer, Once, commit_once};
use super::visibility::{visible, writable};
use crate::auth::{Need, Read, Write as Writing};
use crate::http::{ApiError, IfMatch, IfNoneMatch, ItemPath, NamePath, RawBody};
use crate::state::App;

/// What a write left.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub(super) struct Stored {
    /// The id.
    id: String,
    /// The new version.
    version: u64,
    /// When the document was created, RFC 3339.
    created_at: String,
    /// When this version was written, RFC 3339.
    updated_at: String,
}

/// The document as it is stored. `ETag` is its version; with `If-None-Match` 304 if it has that
/// version still.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(("collection" = String, Path), ("id" = String, Path),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Object), (status = 304), (status = 404)))]
pub(super) async fn read(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    visible(&collection)?;
    let Some(entity) = app.store.get(&collection, &id).await? else {
        return Err(ApiError::not_found("there is no such document")
            .with("collection", collection.as_str())
            .with("id", id.as_str()));
    };
    if let Some(known) = not_modified(&headers, entity.version)? {
        return Ok(known);
    }
    let response = json_text(StatusCode::OK, entity.document.as_str().to_owned());
    Ok(tagged(response, Some(entity.version)))
}

/// Stores a new document under the id that it carries.
#[utoipa::path(post, path = "/api/v1/collections/{collection}/documents", tag = "documents",
    params(("collection" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = Object, description = "The document."),
    responses((status = 201, body = Stored), (status = 409), (status = 422)))]
pub(super) async fn create(
    need: Need<Writing>,
    State(app): State<Arc<App>>,
    NamePath(collection): NamePath,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    writable(&collection)?;
    let once = Once::of(&app, &need.caller, (&Method::POST, uri.path()), &headers, &body)?;
    let document = Document::from_slice(&body)?;
    let id = app.schema(&collection).id_of(&document)?;
    let location = format!("{}/{}", uri.path(), encoded(id.as_str()));
    let write = Write::put(Key::new(collection, id.clone()), document, Precondition::Absent)
        .attributed_to(need.caller.attribution(&headers)?);
    commit_once(&app, once, vec![write], |written| Answer {
        status: StatusCode::CREATED.as_u16(),
        version: only(written).version(),
        location: Some(location),
        body: written_json(id.as_str(), &only(written)).to_string(),
    })
    .await
}

/// Stores a document, new or over the one that is there. `If-Match` with its ETag makes that
/// depend on the version, `If-None-Match: *` on there being none.
#[utoipa::path(put, path = "/api/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(("collection" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = Object, description = "The document, with its id in the id field."),
    responses((status = 200, body = Stored), (status = 412), (status = 422)))]
pub(super) async fn put(
    need: Need<Writing>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    writable(&collection)?;
    let once = Once::of(&app, &need.caller, (&Method::PUT, uri.path()), &headers, &body)?;
    let document = Document::from_slice(&body)?;
    let key = Key::new(collection, id.clone());
    let condition = precondition(&app, &key, &headers).await?;
    let write = Write::put(key, document, condition.unwrap_or(Precondition::Any))
        .attributed_to(need.caller.attribution(&headers)?);
    let done = commit_once(&app, once, vec![write], |written| Answer {
        status: StatusCode::OK.as_u16(),
        version: only(written).version(),
        location: None,
        body: written_json(id.as_str(), &only(written)).to_string(),
    })
    .await;
    done.map_err(|error| if condition.is_some() { as_precondition(error) } else { error })
}

/// Deletes a document.
#[utoipa::path(delete, path = "/api/v1/collections/{collection}/documents/{id}", tag = "documents",
    params(("collection" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The version of the deletion."), (status = 404),
        (status = 412)))]
pub(super) async fn delete(
    need: Need<Writing>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    writable(&collection)?;
    let once = Once::of(&app, &need.caller, (&Method::DELETE, uri.path()), &headers, b"")?;
    let key = Key::new(collection, id.clone());
    let condition = precondition(&app, &key, &headers).await?;
    let write = Write::delete(key, condition.unwrap_or(Precondition::Exists))
        .attributed_to(need.caller.attribution(&headers)?);
    let done = commit_once(&app, once, vec![write], |written| Answer {
        status: StatusCode::OK.as_u16(),
        version: None,
        location: None,
        body: written_json(id.as_str(), &only(written)).to_string(),
    })
    .await;
    done.map_err(|error| if condition.is_some() { as_precondition(error) } else { error })
}

/// What the conditions of a request ask for; `None` where there are none.
pub(super) async fn precondition(
    app: &App,
    key: &Key,
    headers: &HeaderMap,
) -> Result<Option<Precondition>, ApiError> {
    match (IfMatch::of(headers)?, IfNoneMatch::of(headers)?) {
        (IfMatch::Absent, IfNoneMatch::Absent) => Ok(None),
        (IfMatch::Absent, IfNoneMatch::Any) => Ok(Some(Precondition::Absent)),
        (IfMatch::Any, IfNoneMatch::Absent) => Ok(Some(Precondition::Exists)),
        (IfMatch::Versions(versions), IfNoneMatch::Absent) => match versions.as_slice() {
            [] => Err(ApiError::precondition_failed("no version has the ETag of If-Match")),
            [version] => Ok(Some(Precondition::Version(*version))),
            several => {
                let stored = app.store.get(&key.collection, &key.id).await?;
                let stored = stored.map(|entity| entity.version);
                match stored.filter(|version| several.contains(version)) {
                    Some(version) => Ok(Some(Precondition::Version(version))),
                    None => Err(ApiError::precondition_failed("no ETag of If-Match is current")),
                }
            }
        },
        _ => {
            Err(ApiError::bad_request("a write takes If-Match, or If-None-Match: *, and not both"))
        }
    }
}

/// A condition that the caller gave and that does not hold is 412.
pub(super) fn as_precondition(error: ApiError) -> ApiError {
    let conditional = [ErrorKind::Conflict, ErrorKind::AlreadyExists, ErrorKind::NotFound];
    let missing_collection =
        error.status() == StatusCode::NOT_FOUND && !error.names_preconditions();
    if missing_collection || !conditional.iter().any(|kind| error.is(*kind)) {
        return error;
    }
    error.with_status(StatusCode::PRECONDITION_FAILED)
}

/// A segment of a path.
fn encoded(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
