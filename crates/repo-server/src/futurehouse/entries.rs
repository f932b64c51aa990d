//! `data-entries`: created, read, changed, deleted.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use repo_data::model::{Share, ShareStatus};
use repo_data::{EntryPatch, NewContent};
use serde::Deserialize;
use serde_json::json;

use super::access::{entry_id, expected};
use super::answer::{answer, json_response};
use super::create::new_entry;
use super::error::Detailed;
use super::wire::DataStorageResponse;
use crate::access::{acting, changeable, conditional, readable};
use crate::auth::{Need, Read, Write};
use crate::http::{ApiError, IfMatch, RawBody, Taken};
use crate::state::App;

/// The key of a request that may be made again.
fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("idempotency-key")?.to_str().ok()?;
    Some(given.to_owned())
}

/// Creates an entry: a text, a file to be uploaded, a directory, or something outside.
pub(super) async fn create(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let owner = need.caller.owner()?;
    let mut new = new_entry(Taken::parse(&body)?, owner.clone(), idempotency_key(&headers))?;
    // Clients store what is in a directory in the dataset of the directory at the root.
    let is_root = matches!(new.content, NewContent::Directory);
    if is_root && new.dataset.is_none() && new.parent.is_none() {
        new.dataset = Some(super::datasets::for_directory(&app, &new, owner).await?);
    }
    let found = acting(&app, &need.caller, &headers)?.create_entry(new).await?;
    Ok(answer(&app, &headers, &found).await?)
}

/// Whether an entry can be used.
pub(super) async fn status(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Detailed> {
    let found = readable(&app, &need.caller, &entry_id(&id)?).await?;
    let shown = DataStorageResponse::status_of(&found.value);
    Ok(json_response(&json!({ "id": found.value.id, "status": shown }), Some(found.version))?)
}

/// Deletes an entry: it can be restored for a time.
pub(super) async fn delete(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    changeable(&app, &need.caller, &id).await?;
    let condition = expected(IfMatch::of(&headers)?)?;
    let data = acting(&app, &need.caller, &headers)?;
    conditional(data.delete_entry(&id, condition).await, condition)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
struct Accessors {
    #[serde(default)]
    users: Option<Vec<String>>,
    #[serde(default)]
    organizations: Option<Vec<String>>,
}

/// Changes an entry: activates it, shares it, tags it, or gives it a revision.
pub(super) async fn patch(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Detailed> {
    let id = entry_id(&id)?;
    let found = changeable(&app, &need.caller, &id).await?;
    let mut taken = Taken::parse(&body)?;
    let condition = expected(IfMatch::of(&headers)?)?;
    if taken.has("revision_id") {
        let by = (&need.caller, &headers);
        super::revisions::publish(&app, by, &found.value, taken, condition).await?;
        let found = app.data.entry(&id).await?;
        return Ok(answer(&app, &headers, &found).await?);
    }
    let status: Option<String> = taken.take("status")?;
    let patch = entry_patch(&mut taken)?;
    refuse_rest(taken)?;
    let data = acting(&app, &need.caller, &headers)?;
    let mut found = found;
    if let Some(patch) = patch {
        found = conditional(data.patch_entry(&id, &patch, condition).await, condition)?;
    }
    match status.as_deref() {
        None => {}
        Some("active") => {
            let condition = condition.map(|_| found.version);
            found = conditional(data.activate_entry(&id, condition).await, condition)?;
        }
        Some(other) => return Err(unsupported_status(other).into()),
    }
    Ok(answer(&app, &headers, &found).await?)
}

fn unsupported_status(status: &str) -> ApiError {
    let why = "an entry is made active by a client, and nothing else";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
        .with("status", status)
        .remedy("send `{\"status\": \"active\"}`; delete the entry to have it no more")
}

/// What is said of an entry; `None` where nothing is to be changed.
fn entry_patch(taken: &mut Taken) -> Result<Option<EntryPatch>, ApiError> {
    let mut patch = EntryPatch::default();
    let mut any = false;
    if let Some(name) = taken.take("name")? {
        (patch.name, any) = (Some(name), true);
    }
    if taken.has("description") {
        (patch.description, any) = (Some(taken.take("description")?), true);
    }
    if let Some(tags) = taken.take("tags")? {
        (patch.tags, any) = (Some(tags), true);
    }
    if taken.has("metadata") {
        (patch.metadata, any) = (Some(taken.json("metadata")), true);
    }
    if let Some(status) = taken.take::<ShareStatus>("share_status")? {
        let accessors: Accessors = taken.take("permitted_accessors")?.unwrap_or_default();
        patch.share = Some(Share {
            status,
            users: accessors.users.unwrap_or_default(),
            organizations: accessors.organizations.unwrap_or_default(),
        });
        any = true;
    }
    Ok(any.then_some(patch))
}

/// What no change is made of is refused: a client must not believe that it was.
fn refuse_rest(taken: Taken) -> Result<(), ApiError> {
    let unknown = taken.rest().into_iter().find(|(_, value)| value.as_str() != "null");
    match unknown {
        None => Ok(()),
        Some((name, _)) => {
            let why = format!("the field `{name}` cannot be changed");
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why))
        }
    }
}

/// What a read may ask for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ReadParams {
    version: Option<u64>,
    revision_id: Option<String>,
}

/// An entry as it is, or as it was in a revision.
pub(super) async fn read(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    crate::http::Params(asked): crate::http::Params<ReadParams>,
    headers: HeaderMap,
) -> Result<Response, Detailed> {
    let found = readable(&app, &need.caller, &entry_id(&id)?).await?;
    match (asked.version, asked.revision_id) {
        (None, None) => Ok(answer(&app, &headers, &found).await?),
        (Some(_), Some(_)) => {
            Err(ApiError::bad_request("`version` and `revision_id` exclude each other").into())
        }
        (version, revision) => {
            let asked = (version, revision.as_deref());
            Ok(super::revisions::as_it_was(&app, &headers, &found.value, asked).await?)
        }
    }
}
