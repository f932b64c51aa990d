//! One entry: what is known of it, and a look into it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use repo_core::EntityId;
use repo_data::model::{Content, Entry, ShareStatus};
use repo_data::{EntryFilter, Versioned};

use super::entries::{kind, link, request, seen_by, status, table};
use super::failure::Failure;
use super::json::coloured;
use super::page::{Section, page};
use super::parts::{bytes, figure, heading, number, time};
use super::preview;
use super::session::Viewer;
use crate::futurehouse::readable;
use crate::state::App;

/// The page.
pub(super) async fn show(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let Versioned { value: entry, version } =
        readable(&app, &viewer.caller, &EntityId::new(&id)?).await?;
    let steps = app.data.path_of(&entry).await?;
    let body = html! {
        p.trail { a href="/console/entries" { "← Entries" } }
        (heading(&entry.name, &html! {
            (status(entry.status))
            span.where { (steps.join(" / ")) }
            span.grow {}
            @if matches!(entry.content, Content::Stored(_) | Content::Spilled(_)) {
                a.button href=(format!("{}/file", link(entry.id.as_str()))) { "Download" }
            }
        }))
        @if let Some(description) = &entry.description { p { (description) } }
        dl.figures {
            (figure("Kind", kind(entry.kind)))
            (figure("Size", &bytes(entry.size)))
            (figure("Version", &version.to_string()))
            (figure("Revision", &number(entry.revision_number)))
            (figure("Shared", shared(entry.share.status)))
        }
        h2 { "Content" }
        (content(&app, &viewer, &entry).await?)
        h2 { "About it" }
        (about(&entry))
    };
    Ok(page(&viewer, Section::Entries, &entry.name, &body))
}

fn shared(status: ShareStatus) -> &'static str {
    match status {
        ShareStatus::Private => "with nobody",
        ShareStatus::Public => "with all",
        ShareStatus::Shared => "with some",
    }
}

async fn content(app: &App, viewer: &Viewer, entry: &Entry) -> Result<Markup, Failure> {
    Ok(match &entry.content {
        Content::Nothing => {
            let parent = Some(entry.id.clone());
            let filter = EntryFilter { parent, ..seen_by(&viewer.caller)? };
            table(&app.data.list_entries(&filter, &request("")).await?)
        }
        Content::Awaited { staged } => html! {
            p.nothing {
                @if staged.is_some() { "The bytes are there; the entry is still to be activated." }
                @else { "The bytes have not arrived." }
            }
        },
        Content::Outside { location, files } => html! {
            p { "It is outside: " span.mono { (location.location.as_deref().unwrap_or("–")) } }
            @if !files.is_empty() {
                div.sheet { table {
                    thead { tr { th { "File" } th.n { "Size" } } }
                    tbody {
                        @for file in files.iter().take(100) {
                            tr { td.id { (file.name) } td.n { (bytes(file.size)) } }
                        }
                    }
                } }
            }
        },
        Content::Inline(_) | Content::Spilled(_) | Content::Stored(_) => {
            preview::of(app, entry).await?
        }
    })
}

fn about(entry: &Entry) -> Markup {
    let blob = entry.content.blob();
    html! {
        dl.pairs {
            dt { "Id" } dd.mono { (entry.id.as_str()) }
            dt { "Owner" } dd { (entry.owner.as_str()) }
            @if let Some(kind) = &entry.content_type { dt { "Type" } dd.mono { (kind) } }
            @if let Some(dataset) = &entry.dataset {
                dt { "Dataset" }
                dd.mono { a href=(format!("/console/datasets/{dataset}")) { (dataset.as_str()) } }
            }
            @if let Some(project) = &entry.project { dt { "Project" } dd.mono { (project.as_str()) } }
            @if let Some(path) = &entry.file_path { dt { "File" } dd.mono { (path) } }
            @if !entry.tags.is_empty() { dt { "Tags" } dd { (entry.tags.join(", ")) } }
            dt { "Created" } dd { (time(entry.created_at)) }
            dt { "Changed" } dd { (time(entry.modified_at)) }
            @if let Some(blob) = blob {
                dt { "Blob" } dd.mono { (blob.key) }
                dt { "SHA-256" } dd.mono { (blob.sha256) }
            }
            @for hold in &entry.holds { dt { "Hold" } dd { (hold.reason) } }
        }
        @if let Some(metadata) = &entry.metadata {
            h2 { "Metadata" }
            div.sheet { pre.json { (coloured(metadata.as_str())) } }
        }
    }
}
