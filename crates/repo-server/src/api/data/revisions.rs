//! What an entry was.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_core::{EntityId, Timestamp};
use repo_data::model::{Json, Revision};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::readable;
use crate::api::answer::serialized;
use crate::auth::{Need, Read};
use crate::http::{ApiError, IdPath, Params};
use crate::state::App;

/// Revisions in a page that asks for no number.
const PAGE: usize = 100;

/// Which revisions are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct RevisionParams {
    /// Most revisions, 1 to 1,000; 100 without it.
    limit: Option<usize>,
    /// Where the last page ended: its `next`.
    cursor: Option<String>,
    /// Whether drafts are listed as well.
    drafts: bool,
}

/// A revision, without its content: that is read with `content?revision=NUMBER`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revision)]
pub(in crate::api) struct RevisionView<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: &'a EntityId,
    /// Counted for the entry from 0, which is the content that it was created with.
    number: u64,
    /// The revision that it was made from.
    #[schema(value_type = Option<String>)]
    parent: Option<&'a EntityId>,
    /// The name of the entry in it.
    name: &'a str,
    /// Bytes of its content.
    size: u64,
    /// Of a content that is a blob, in hexadecimal digits.
    sha256: Option<String>,
    /// A MIME type.
    content_type: Option<&'a str>,
    /// What the author said of it.
    description: Option<&'a str>,
    /// What the author said of it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<&'a Json>,
    /// Who made it.
    author: &'a str,
    /// RFC 3339.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// When it became the content of the entry; null for a draft.
    #[schema(value_type = Option<String>)]
    published_at: Option<Timestamp>,
}

impl<'a> RevisionView<'a> {
    fn new(revision: &'a Revision) -> Self {
        let snapshot = &revision.snapshot;
        Self {
            id: &revision.id,
            number: revision.number,
            parent: revision.parent.as_ref(),
            name: &snapshot.name,
            size: snapshot.content.size(),
            sha256: snapshot.content.blob().map(|blob| blob.sha256.to_string()),
            content_type: snapshot.content_type.as_deref(),
            description: snapshot.description.as_deref(),
            metadata: snapshot.metadata.as_ref(),
            author: revision.author.as_str(),
            created_at: revision.created_at,
            published_at: revision.published_at,
        }
    }
}

/// A page of revisions.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RevisionPage<'a> {
    /// By number. There are none of an entry that was never revised: its content is number 0.
    items: Vec<RevisionView<'a>>,
    /// The current one; null before the first.
    #[schema(value_type = Option<String>)]
    current: Option<&'a EntityId>,
    /// Where the next page starts; `null` after the last one. A page may be followed by an
    /// empty one.
    next: Option<String>,
}

/// The revisions of an entry, by number.
#[utoipa::path(get, path = "/api/v1/entries/{id}/revisions", tag = "entries",
    params(("id" = String, Path), RevisionParams),
    responses((status = 200, body = RevisionPage), (status = 400), (status = 404)))]
pub(in crate::api) async fn list(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    Params(asked): Params<RevisionParams>,
) -> Result<Response, ApiError> {
    readable(&app, &need.caller, &id).await?;
    let limit = asked.limit.unwrap_or(PAGE);
    let offset: usize = match asked.cursor.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| ApiError::bad_request("this is no cursor"))?,
    };
    let page = app.data.list_revisions(&id, limit, offset, asked.drafts).await?;
    let full = page.revisions.len() == limit;
    let next = full.then(|| offset.saturating_add(limit).to_string());
    let items = page.revisions.iter().map(|found| RevisionView::new(&found.value)).collect();
    let body = RevisionPage { items, current: page.current.as_ref(), next };
    serialized(StatusCode::OK, &body, None)
}
