//! Revisions, which Edison alone makes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::{EntityId, Timestamp, Version};
use repo_data::model::{Content, Entry, EntryKind, Json, Revision};
use repo_data::{NewRevision, RevisedContent, WhichRevision};
use serde::{Deserialize, Serialize};

use super::access::entry_id;
use super::answer::{json_response, text_of};
use super::error::Detailed;
use super::wire::{DataStorageResponse, Signing, StorageConfig, current_revision};
use crate::access::{acting, conditional, readable};
use crate::auth::{Caller, Need, Read};
use crate::bytes::{Base, base_name};
use crate::http::{ApiError, Params, Taken};
use crate::state::App;

/// Makes a revision, or publishes a draft.
pub(super) async fn publish(
    app: &App,
    (caller, headers): (&Caller, &HeaderMap),
    entry: &Entry,
    mut taken: Taken,
    condition: Option<Version>,
) -> Result<(), ApiError> {
    let id: EntityId = taken.need("revision_id")?;
    let text: Option<String> = taken.take("content")?;
    let source = taken.id("source_entry_id")?;
    let publish = taken.take("publish")?.unwrap_or(true);
    let data = acting(app, caller, headers)?;
    let content = match (text, source) {
        (Some(text), None) => RevisedContent::Text(text),
        (None, Some(source)) => {
            readable(app, caller, &source).await?;
            RevisedContent::CopyOf(source)
        }
        (None, None) if publish => {
            conditional(data.publish_revision(&entry.id, &id, condition).await, condition)?;
            return Ok(());
        }
        _ => {
            let why = "a revision has `content` or `source_entry_id`, and not both";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why));
        }
    };
    let first = Revision::first_id(&entry.id)?;
    let new = NewRevision {
        id,
        // Revision 0 is what stands there before any revision was made.
        base: taken.id("base_revision_id")?.filter(|base| *base != first),
        content,
        name: taken.take("name")?,
        description: taken.take("description")?,
        metadata: taken.json("metadata"),
        author: caller.owner()?,
        publish,
    };
    data.revise_entry(&entry.id, &new).await?;
    Ok(())
}

#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    limit: Option<usize>,
    offset: Option<usize>,
    include_unpublished: Option<bool>,
}

#[derive(Debug, Serialize)]
struct RevisionList<'a> {
    entry_id: &'a EntityId,
    current_revision_id: Option<EntityId>,
    revisions: Vec<WireRevision<'a>>,
}

#[derive(Debug, Serialize)]
struct WireRevision<'a> {
    id: &'a EntityId,
    entry_id: &'a EntityId,
    version: u64,
    parent_revision_id: Option<EntityId>,
    snapshot: WireSnapshot<'a>,
    created_by: &'a str,
    trajectory_id: Option<()>,
    created_at: Timestamp,
    published_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct WireSnapshot<'a> {
    name: &'a str,
    content: Option<String>,
    storage_location: Option<StorageConfig<'a>>,
    file_path: Option<&'a str>,
    metadata: Option<&'a Json>,
    embedding: Option<()>,
}

/// The revisions of an entry, by number.
pub(super) async fn list(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Detailed> {
    let entry = readable(&app, &need.caller, &entry_id(&id)?).await?.value;
    let (limit, offset) = (params.limit.unwrap_or(50), params.offset.unwrap_or(0));
    let drafts = params.include_unpublished.unwrap_or(false);
    let page = app.data.list_revisions(&entry.id, limit, offset, drafts).await?;
    let mut revisions = Vec::with_capacity(page.revisions.len());
    for found in &page.revisions {
        revisions.push(wire(&app, entry.kind, &found.value).await?);
    }
    let current_revision_id = page.current.clone().or_else(|| current_revision(&entry));
    let list = RevisionList { entry_id: &entry.id, current_revision_id, revisions };
    Ok(json_response(&list, None)?)
}

async fn wire<'a>(
    app: &App,
    kind: EntryKind,
    revision: &'a Revision,
) -> Result<WireRevision<'a>, ApiError> {
    let snapshot = &revision.snapshot;
    let stored = matches!(snapshot.content, Content::Stored(_));
    let name = snapshot.file_path.as_deref().map(base_name);
    let parent = match &revision.parent {
        None if revision.number > 0 => Some(Revision::first_id(&revision.entry)?),
        parent => parent.clone(),
    };
    Ok(WireRevision {
        id: &revision.id,
        entry_id: &revision.entry,
        version: revision.number,
        parent_revision_id: parent,
        created_by: revision.author.as_str(),
        trajectory_id: None,
        created_at: revision.created_at,
        published_at: revision.published_at,
        snapshot: WireSnapshot {
            name: &snapshot.name,
            content: app.data.text(&snapshot.content).await?,
            storage_location: stored.then(|| StorageConfig::in_history(kind, name)),
            file_path: snapshot.file_path.as_deref(),
            metadata: snapshot.metadata.as_ref(),
            embedding: None,
        },
    })
}

/// An entry as it was in a revision.
pub(super) async fn as_it_was(
    app: &App,
    headers: &HeaderMap,
    entry: &Entry,
    asked: (Option<u64>, Option<&str>),
) -> Result<Response, ApiError> {
    let first = Revision::first_id(&entry.id)?;
    let which = match asked {
        (_, Some(id)) if id == first.as_str() => WhichRevision::Number(0),
        (_, Some(id)) => WhichRevision::Id(EntityId::new(id)?),
        (number, None) => WhichRevision::Number(number.unwrap_or(0)),
    };
    let (then, revision) = app.data.entry_at(&entry.id, &which).await?;
    let base = Base::of(app.config.public_url.as_deref(), headers)?;
    let signing = Signing { base: &base, signer: &app.signer, now: app.clock.now() };
    let text = text_of(app, &then.value).await?;
    let answer = DataStorageResponse::new(&then.value, text.as_deref(), signing);
    let current = current_revision(entry);
    let shown = match revision {
        Some(found) => (Some(found.value.id), found.value.number),
        None => (current.clone(), 0),
    };
    json_response(&answer.in_revision(shown, current), None)
}
