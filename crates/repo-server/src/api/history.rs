//! What a document was, where history is kept.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::{CollectionName, EntityId, Key, Precondition, Version, Write};
use repo_history::{History, KnownVersion, OlderState, OlderVersion};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::answer::{json_text, only, tagged, written_json};
use super::documents::{as_precondition, precondition};
use super::idempotency::{Answer, commit_once};
use super::visibility::{visible, writable};
use crate::auth::{Need, Read, Write as Writing};
use crate::http::{ApiError, ItemPath, Params, RawBody, read_json};
use crate::state::App;

/// Versions in a page that asks for no number, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 500;

/// Which versions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionsParams {
    /// Only versions below this one.
    below: Option<u64>,
    /// Most versions, 1 to 500; 50 without it.
    limit: Option<usize>,
}

fn history(app: &App, collection: &CollectionName) -> Result<History, ApiError> {
    visible(collection)?;
    Ok(History::of(Arc::clone(&app.store), collection.clone()))
}

/// The versions of a document, from the newest down, with who wrote each and why.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/documents/{id}/versions",
    tag = "history", params(("collection" = String, Path), ("id" = String, Path), VersionsParams),
    responses((status = 200, description = "`versions`, and `next` to give as `below`."),
        (status = 404, description = "No history is kept, or there is no such document.")))]
pub(super) async fn versions(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    Params(params): Params<VersionsParams>,
) -> Result<Response, ApiError> {
    let most = params.limit.unwrap_or(PAGE);
    let most = NonZeroUsize::new(most).filter(|most| most.get() <= MAX_PAGE);
    let most = most.ok_or_else(|| ApiError::bad_request("a limit is from 1 to 500"))?;
    let below = params.below.map(Version::new).transpose()?;
    let page = history(&app, &collection)?.versions(&id, below, most).await?;
    let versions: Vec<String> = page.versions.iter().map(known_json).collect();
    let next = json!(page.next);
    let text = format!("{{\"versions\":[{}],\"next\":{next}}}", versions.join(","));
    Ok(json_text(StatusCode::OK, text))
}

fn known_json(known: &KnownVersion) -> String {
    match known {
        KnownVersion::Missing { first, last } => {
            json!({ "version": first, "through": last, "missing": true }).to_string()
        }
        KnownVersion::Kept { version, by } => {
            let by = by.as_ref();
            let mut view = json!({
                "version": version.version,
                "updated_at": version.updated_at,
                "deleted": version.state == OlderState::Deleted,
                "removed": version.state == OlderState::Removed,
                "author": by.and_then(|by| by.author()),
                "reason": by.and_then(|by| by.reason()),
            })
            .to_string();
            view.pop();
            format!("{view},\"document\":{}}}", document_text(version))
        }
    }
}

fn document_text(version: &OlderVersion) -> &str {
    match &version.state {
        OlderState::Live { document, .. } => document.as_str(),
        OlderState::Deleted | OlderState::Removed => "null",
    }
}

/// A document as it was in a version.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/documents/{id}/versions/{version}",
    tag = "history",
    params(("collection" = String, Path), ("id" = String, Path), ("version" = u64, Path)),
    responses((status = 200, body = Object), (status = 404),
        (status = 410, description = "It was deleted in this version.")))]
pub(super) async fn version(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Path((collection, id, version)): Path<(String, String, u64)>,
) -> Result<Response, ApiError> {
    let (collection, id) = (CollectionName::new(&collection)?, EntityId::new(&id)?);
    let version = Version::new(version)?;
    let found = history(&app, &collection)?.at_version(&id, version).await?;
    if !matches!(found.state, OlderState::Live { .. }) {
        let why = "the document was deleted in this version";
        return Err(ApiError::new(StatusCode::GONE, "NotFound", why));
    }
    Ok(tagged(json_text(StatusCode::OK, document_text(&found).to_owned()), Some(version)))
}

/// Two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffParams {
    /// The version to begin with.
    from: u64,
    /// The version that it becomes.
    to: u64,
}

/// How a version of a document becomes another one, as JSON Patch (RFC 6902).
#[utoipa::path(get, path = "/api/v1/collections/{collection}/documents/{id}/diff", tag = "history",
    params(("collection" = String, Path), ("id" = String, Path), DiffParams),
    responses((status = 200, description = "`from`, `to` and `patch`."), (status = 404)))]
pub(super) async fn diff(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    Params(DiffParams { from, to }): Params<DiffParams>,
) -> Result<Response, ApiError> {
    let (first, second) = (Version::new(from)?, Version::new(to)?);
    let diff = history(&app, &collection)?.diff(&id, first, second).await?;
    let text = format!("{{\"from\":{from},\"to\":{to},\"patch\":{}}}", diff.to_json());
    Ok(json_text(StatusCode::OK, text))
}

/// A version to come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreBody {
    /// The version.
    version: u64,
}

/// Stores the document of an older version again, as a new version.
#[utoipa::path(post, path = "/api/v1/collections/{collection}/documents/{id}/restore",
    tag = "history", request_body = RestoreBody,
    params(("collection" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = super::documents::Stored), (status = 404), (status = 412)))]
pub(super) async fn restore(
    need: Need<Writing>,
    State(app): State<Arc<App>>,
    ItemPath { collection, id }: ItemPath,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    writable(&collection)?;
    let RestoreBody { version } = read_json(&body)?;
    let older = history(&app, &collection)?.at_version(&id, Version::new(version)?).await?;
    let OlderState::Live { document, .. } = older.state else {
        let why = "the document was deleted in this version";
        return Err(ApiError::new(StatusCode::GONE, "NotFound", why));
    };
    let key = Key::new(collection, id.clone());
    let condition = precondition(&app, &key, &headers).await?;
    let write = Write::put(key, document, condition.unwrap_or(Precondition::Any))
        .attributed_to(need.caller.attribution(&headers)?);
    let done = commit_once(&app, None, vec![write], |written| Answer {
        status: StatusCode::OK.as_u16(),
        version: only(written).version(),
        location: None,
        body: written_json(id.as_str(), &only(written)).to_string(),
    })
    .await;
    done.map_err(|error| if condition.is_some() { as_precondition(error) } else { error })
}
