//! Uploads that are still to be completed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use repo_core::{CollectionName, Cursor, Query, field};
use repo_data::collections::UPLOADS;
use repo_data::model::{UploadId, UploadKind, UploadRecord, UploadState};

use super::entries::{Asked, link};
use super::failure::Failure;
use super::links::with_query;
use super::page::{Section, page};
use super::parts::{self, bytes, heading, pager, time};
use super::session::{Editor, Viewer};
use crate::futurehouse::readable;
use crate::http::{ApiError, Params};
use crate::state::App;

/// Uploads in a page.
const PAGE: usize = 50;

/// The page. It looks again by itself.
pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let (found, next) = pending(&app, &viewer, &asked.cursor).await?;
    let to = |cursor: &str| with_query("/console/uploads", &[("cursor", cursor)]);
    let body = html! {
        (heading("Uploads", &html! { span.where { "pending, the first to be given up first" } }))
        div #live hx-get=(to(&asked.cursor)) hx-trigger="every 5s" hx-select="#live"
            hx-swap="outerHTML" {
            (table(&viewer, &found))
        }
        (pager(
            (!asked.cursor.is_empty()).then(|| to("")).as_deref(),
            next.as_deref().map(to).as_deref(),
        ))
    };
    Ok(page(&viewer, Section::Uploads, "Uploads", &body))
}

async fn pending(
    app: &App,
    viewer: &Viewer,
    cursor: &str,
) -> Result<(Vec<UploadRecord>, Option<String>), Failure> {
    // One that is given up is due at once, and leaves with the next sweep.
    let mut filter =
        field("state").eq(UploadState::Receiving).and(field("due").gt(app.clock.now()));
    if !viewer.caller.sees_all() {
        filter = filter.and(field("owner").eq(viewer.caller.owner()?));
    }
    let mut query = Query::new(filter.filter()?).limit(PAGE)?.order_by("due")?;
    if !cursor.is_empty() {
        query = query.after(Cursor::parse(cursor)?);
    }
    let found = app.store.query(&CollectionName::new(UPLOADS)?, &query).await?;
    let uploads = found.entities.iter().map(|entity| entity.document.deserialize());
    let uploads = uploads.collect::<repo_core::Result<Vec<UploadRecord>>>()?;
    Ok((uploads, found.next.map(|next| next.to_string())))
}

fn table(viewer: &Viewer, found: &[UploadRecord]) -> Markup {
    if found.is_empty() {
        return parts::nothing("Nothing is being uploaded.");
    }
    html! {
        div.sheet {
            table {
                thead { tr { th { "Entry" } th { "Protocol" } th.n { "Arrived" } th.n { "Of" }
                    th { "Progress" } th { "Owner" } th { "Given up" } th {} } }
                tbody { @for upload in found { (row(viewer, upload)) } }
            }
        }
    }
}

fn row(viewer: &Viewer, upload: &UploadRecord) -> Markup {
    let (protocol, parts) = match upload.kind {
        UploadKind::Gcs => ("resumable", false),
        UploadKind::Parts => ("parts", true),
        UploadKind::Tus => ("tus", false),
    };
    let total = upload.total.filter(|total| *total > 0);
    html! {
        tr {
            td.id { a href=(link(upload.entry.as_str())) { (upload.entry.as_str()) } }
            td { (protocol) }
            @if parts {
                td.n { "–" } td.n { (upload.announced_parts()) " parts" } td {}
            } @else {
                td.n { (bytes(upload.offset)) }
                td.n { (upload.total.map_or_else(|| "not known".to_owned(), bytes)) }
                td {
                    @if let Some(total) = total {
                        progress max=(total) value=(upload.offset) aria-label="Arrived" {}
                    }
                }
            }
            td { (upload.owner.as_str()) }
            td { (time(upload.due)) }
            td {
                @if viewer.writes {
                    form method="post" action=(format!("/console/uploads/{}/give-up", upload.id)) {
                        button.plain { "Give up" }
                    }
                }
            }
        }
    }
}

/// Gives an upload up; the sweeper removes what arrived.
pub(super) async fn give_up(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: UploadId = id.parse()?;
    let found = app.data.blob(&id).await?.value;
    let entry = readable(&app, &viewer.caller, &found.holder.id).await?.value;
    if !viewer.caller.sees_all() && entry.owner != viewer.caller.owner()? {
        return Err(ApiError::forbidden("the entry belongs to somebody else").into());
    }
    app.data.abort_upload(&id).await?;
    Ok(Redirect::to("/console/uploads").into_response())
}
