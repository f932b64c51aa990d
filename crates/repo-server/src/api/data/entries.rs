//! Entries: listed, read, changed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::EntityId;
use repo_data::model::{Entry, EntryStatus, Json, Owner, Share};
use repo_data::{EntryFilter, EntryPatch, PageRequest, Versioned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{nullable, read_checked};
use super::view::EntryView;
use crate::access::{acting, changeable, conditional, expected_of, readable_or_deleted};
use crate::api::answer::{not_modified, serialized};
use crate::auth::{Caller, Need, Read, Write};
use crate::http::{ApiError, IdPath, Params, RawBody};
use crate::state::App;

/// Which entries are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct ListParams {
    /// Only in this dataset.
    #[param(value_type = Option<String>)]
    dataset: Option<EntityId>,
    /// Only directly in this directory; ordered by name then.
    #[param(value_type = Option<String>)]
    parent: Option<EntityId>,
    /// Only in this project.
    #[param(value_type = Option<String>)]
    project: Option<EntityId>,
    /// Only of this owner.
    owner: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// Only `pending`, `active` or `deleted` ones; pending and active ones without it.
    #[param(value_type = Option<String>)]
    status: Option<EntryStatus>,
    /// Most entries, 1 to 1,000; 100 without it.
    limit: Option<usize>,
    /// Where the last page ended: its `next`.
    cursor: Option<String>,
}

impl ListParams {
    fn filter(&self, caller: &Caller) -> Result<EntryFilter, ApiError> {
        let mut owner = self.owner.as_deref().map(Owner::new).transpose()?;
        let mut reader = None;
        if !caller.sees_all() {
            let own = caller.owner()?;
            // What is deleted is seen by whom it belongs to.
            match (self.status, &owner) {
                (Some(EntryStatus::Deleted), None) => owner = Some(own),
                (Some(EntryStatus::Deleted), Some(asked)) if *asked != own => {
                    return Err(ApiError::forbidden("these belong to somebody else"));
                }
                _ => reader = Some(own),
            }
        }
        Ok(EntryFilter {
            reader,
            owner,
            dataset: self.dataset.clone(),
            parent: self.parent.clone(),
            project: self.project.clone(),
            tag: self.tag.clone(),
            status: self.status,
        })
    }
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct EntryPage<'a> {
    /// The entries, without their texts.
    items: Vec<EntryView<'a>>,
    /// Where the next page starts; `null` after the last one. A page may be followed by an
    /// empty one.
    next: Option<&'a str>,
}

/// One page of the entries that the caller may read, the oldest first.
#[utoipa::path(get, path = "/api/v1/entries", tag = "entries", params(ListParams),
    responses((status = 200, body = EntryPage), (status = 400)))]
pub(in crate::api) async fn list(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Params(asked): Params<ListParams>,
) -> Result<Response, ApiError> {
    let filter = asked.filter(&need.caller)?;
    let page = PageRequest { limit: asked.limit, cursor: asked.cursor };
    let page = app.data.list_entries(&filter, &page).await?;
    let items = page.items.iter().map(EntryView::listed).collect();
    serialized(StatusCode::OK, &EntryPage { items, next: page.next.as_deref() }, None)
}

/// An entry, with its text if it is one. `ETag` is its version; with `If-None-Match` 304 if it
/// has that version still. A deleted one is shown to whom it belongs to.
#[utoipa::path(get, path = "/api/v1/entries/{id}", tag = "entries",
    params(("id" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = EntryView), (status = 304), (status = 404)))]
pub(in crate::api) async fn read(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = readable_or_deleted(&app, &need.caller, &id).await?;
    if let Some(known) = not_modified(&headers, found.version)? {
        return Ok(known);
    }
    shown(&app, &found).await
}

/// An entry as the answer to a request. The text of a deleted one is not shown: its blob may be
/// on its way out.
pub(super) async fn shown(app: &App, found: &Versioned<Entry>) -> Result<Response, ApiError> {
    let text = match found.value.status {
        EntryStatus::Active => app.data.text(&found.value.content).await?,
        EntryStatus::Pending | EntryStatus::Deleted => None,
    };
    let view = EntryView::whole(found, text.as_deref());
    serialized(StatusCode::OK, &view, Some(found.version))
}

/// What is changed of an entry; what is not there stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct EntryPatchBody {
    /// Its name.
    name: Option<String>,
    /// Its description; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// A MIME type; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    content_type: Option<Option<String>>,
    /// Its tags, all of them.
    tags: Option<Vec<String>>,
    /// Its metadata, all of them; null removes them.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Option<Json>>,
    /// Who else may read it.
    #[schema(value_type = Option<Object>)]
    share: Option<Share>,
}

/// Changes what is said of an entry. Its content is changed by a revision.
#[utoipa::path(patch, path = "/api/v1/entries/{id}", tag = "entries",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = EntryPatchBody,
    responses((status = 200, body = EntryView), (status = 403), (status = 404), (status = 412),
        (status = 422)))]
pub(in crate::api) async fn patch(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let found = changeable(&app, &need.caller, &id).await?;
    let body: EntryPatchBody = read_checked(&body)?;
    let condition = expected_of(&headers, found.version)?;
    let patch = EntryPatch {
        name: body.name,
        description: body.description,
        tags: body.tags,
        metadata: body.metadata,
        share: body.share,
        content_type: body.content_type,
    };
    let data = acting(&app, &need.caller, &headers)?;
    let found = conditional(data.patch_entry(&id, &patch, condition).await, condition)?;
    shown(&app, &found).await
}
