//! The list of entries.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use repo_data::model::{Entry, EntryKind, EntryStatus};
use repo_data::{EntryFilter, PageOf, PageRequest};
use serde::Deserialize;

use super::failure::Failure;
use super::links::with_query;
use super::page::{Section, page};
use super::parts::{self, State as How, bytes, heading, pager, shortened, tag, time};
use super::session::Viewer;
use crate::auth::Caller;
use crate::http::Params;
use crate::state::App;

/// Entries in a page.
const PAGE: usize = 50;

/// Which of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    status: String,
    tag: String,
    pub(super) cursor: String,
}

/// The page.
pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let status = match asked.status.as_str() {
        "pending" => Some(EntryStatus::Pending),
        "active" => Some(EntryStatus::Active),
        _ => None,
    };
    let tag = Some(asked.tag.trim().to_owned()).filter(|tag| !tag.is_empty());
    let filter = EntryFilter { status, tag, ..seen_by(&viewer.caller)? };
    let found = app.data.list_entries(&filter, &request(&asked.cursor)).await?;
    let to = |cursor: &str| {
        let parameters =
            [("status", asked.status.as_str()), ("tag", asked.tag.as_str()), ("cursor", cursor)];
        with_query("/console/entries", &parameters)
    };
    let body = html! {
        (heading("Entries", &html! {
            span.where { "the oldest first" }
            span.grow {}
            @if viewer.writes { a.button.main href="/console/new-entry" { "Upload" } }
        }))
        div #results hx-target="#results" hx-select="#results" hx-swap="outerHTML" {
            (form(&asked))
            (table(&found))
            (pager(
                (!asked.cursor.is_empty()).then(|| to("")).as_deref(),
                found.next.as_deref().map(to).as_deref(),
            ))
        }
    };
    Ok(page(&viewer, Section::Entries, "Entries", &body))
}

/// The entries that a caller may see.
///
/// # Errors
/// None that can happen: the owner of a key is checked when it is made.
pub(super) fn seen_by(caller: &Caller) -> repo_core::Result<EntryFilter> {
    let reader = if caller.sees_all() { None } else { Some(caller.owner()?) };
    Ok(EntryFilter { reader, ..EntryFilter::default() })
}

/// A page of a list.
pub(super) fn request(cursor: &str) -> PageRequest {
    let cursor = Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty());
    PageRequest { limit: Some(PAGE), cursor }
}

fn form(asked: &Asked) -> Markup {
    html! {
        form.filter method="get" action="/console/entries" hx-get="/console/entries"
            hx-push-url="true" role="search" {
            select #status name="status" aria-label="Status" {
                @for (value, word) in [("", "pending and active"), ("active", "active"), ("pending", "pending")] {
                    option value=(value) selected[value == asked.status] { (word) }
                }
            }
            input #tag name="tag" aria-label="Tag" placeholder="tag" value=(asked.tag)
                autocomplete="off";
            button { "Filter" }
        }
    }
}

/// Entries in a table.
pub(super) fn table(found: &PageOf<Entry>) -> Markup {
    html! {
        @if found.items.is_empty() { (parts::nothing("There are none.")) } @else {
            div.sheet {
                table {
                    thead { tr { th { "Name" } th { "Kind" } th { "Status" } th.n { "Size" }
                        th { "Owner" } th { "Created" } } }
                    tbody {
                        @for entry in found.items.iter().map(|found| &found.value) { (row(entry)) }
                    }
                }
            }
        }
    }
}

fn row(entry: &Entry) -> Markup {
    html! {
        tr {
            td { a href=(link(entry.id.as_str())) { (shortened(&entry.name, 60)) } }
            td { (kind(entry.kind)) }
            td { (status(entry.status)) }
            td.n { (bytes(entry.size)) }
            td { (entry.owner.as_str()) }
            td { (time(entry.created_at)) }
        }
    }
}

/// The page of an entry: its id is a UUID.
pub(super) fn link(id: &str) -> String {
    format!("/console/entries/{id}")
}

/// What an entry is.
pub(super) fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Text => "text",
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Collection => "collection",
        EntryKind::Outside => "outside",
    }
}

/// Whether it can be used.
pub(super) fn status(status: EntryStatus) -> Markup {
    match status {
        EntryStatus::Active => tag(How::Good, "active"),
        EntryStatus::Pending => tag(How::Warn, "pending"),
        EntryStatus::Deleted => tag(How::Bad, "deleted"),
    }
}
