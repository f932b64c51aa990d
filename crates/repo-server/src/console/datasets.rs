//! Datasets.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use repo_core::{EntityId, ErrorKind};
use repo_data::model::{Dataset, DatasetState, Scope};
use repo_data::{EntryFilter, PageOf};

use super::entries::{self, Asked, request, seen_by};
use super::failure::Failure;
use super::json::coloured;
use super::links::with_query;
use super::page::{Section, page};
use super::parts::{self, bytes, count, figure, heading, pager, shortened, time};
use super::session::Viewer;
use crate::http::{ApiError, Params};
use crate::state::App;

/// The list.
pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let owner = if viewer.caller.sees_all() { None } else { Some(viewer.caller.owner()?) };
    let found = app.data.list_datasets(owner.as_ref(), &request(&asked.cursor)).await?;
    let to = |cursor: &str| with_query("/console/datasets", &[("cursor", cursor)]);
    let body = html! {
        (heading("Datasets", &html! { span.where { "the oldest first" } }))
        (table(&found))
        (pager(
            (!asked.cursor.is_empty()).then(|| to("")).as_deref(),
            found.next.as_deref().map(to).as_deref(),
        ))
    };
    Ok(page(&viewer, Section::Datasets, "Datasets", &body))
}

fn table(found: &PageOf<Dataset>) -> Markup {
    html! {
        @if found.items.is_empty() { (parts::nothing("There are none.")) } @else {
            div.sheet {
                table {
                    thead { tr { th { "Name" } th { "Description" } th { "Owner" }
                        th { "Created" } } }
                    tbody {
                        @for one in found.items.iter().map(|found| &found.value) {
                            tr {
                                td { a href=(format!("/console/datasets/{}", one.id)) {
                                    (shortened(&one.name, 60)) } }
                                td.wide { (shortened(one.description.as_deref().unwrap_or("–"), 90)) }
                                td { (one.owner.as_str()) }
                                td { (time(one.created_at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One dataset with its entries.
pub(super) async fn show(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let dataset = seen(&app, &viewer, &EntityId::new(&id)?).await?;
    let usage = app.data.usage(Scope::Dataset, dataset.id.as_str()).await?;
    let filter = EntryFilter { dataset: Some(dataset.id.clone()), ..seen_by(&viewer.caller)? };
    let found = app.data.list_entries(&filter, &request(&asked.cursor)).await?;
    let path = format!("/console/datasets/{}", dataset.id);
    let to = |cursor: &str| with_query(&path, &[("cursor", cursor)]);
    let size = bytes(u64::try_from(usage.bytes).unwrap_or(0));
    let body = html! {
        p.trail { a href="/console/datasets" { "← Datasets" } }
        (heading(&dataset.name, &html! { span.where { (dataset.id.as_str()) } }))
        @if let Some(description) = &dataset.description { p { (description) } }
        dl.figures {
            (figure("Entries", &count(usage.entries)))
            (figure("In use", &size))
            (figure("Owner", dataset.owner.as_str()))
        }
        h2 { "Entries" }
        (entries::table(&found))
        (pager(
            (!asked.cursor.is_empty()).then(|| to("")).as_deref(),
            found.next.as_deref().map(to).as_deref(),
        ))
        @if let Some(metadata) = &dataset.metadata {
            h2 { "Metadata" }
            div.sheet { pre.json { (coloured(metadata.as_str())) } }
        }
    };
    Ok(page(&viewer, Section::Datasets, &dataset.name, &body))
}

async fn seen(app: &App, viewer: &Viewer, id: &EntityId) -> Result<Dataset, Failure> {
    let missing = || ApiError::not_found("there is no such dataset").with("id", id.as_str());
    let found = match app.data.dataset(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing().into()),
        found => found?.value,
    };
    let may = viewer.caller.sees_all() || found.owner == viewer.caller.owner()?;
    if may && found.state != DatasetState::Deleted { Ok(found) } else { Err(missing().into()) }
}
