//! The list of collections.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::failure::Failure;
use super::links;
use super::page::{Section, page};
use super::parts::{self, heading};
use super::session::Viewer;
use crate::api::{Collection, visible_collections};
use crate::state::App;

/// The page.
pub(super) async fn list(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let (programs, service): (Vec<_>, Vec<_>) =
        visible_collections(&app).await?.into_iter().partition(|one| one.writable);
    let body = html! {
        (heading("Collections", &html! {}))
        h2 { "Of programs" }
        @if programs.is_empty() {
            (parts::nothing("There is none yet: `PUT /api/v1/collections/NAME` makes one."))
        } @else { (table(&programs)) }
        h2 { "Of the data service" }
        p.soft { "They are shown here, and written by their own routes alone." }
        (table(&service))
    };
    Ok(page(&viewer, Section::Collections, "Collections", &body))
}

fn table(collections: &[Collection]) -> Markup {
    html! {
        div.sheet {
            table {
                thead { tr { th { "Name" } th { "Id field" } th.n { "Schema" } th { "History" }
                    th { "Indexes" } } }
                tbody {
                    @for one in collections {
                        tr {
                            td.id { a href=(links::collection(&one.name, "")) { (one.name) } }
                            td.id { (one.id_field) }
                            td.n { (one.schema_version) }
                            td { @if one.history { "kept" } @else { span.soft { "–" } } }
                            td.id.wide { (indexes(one)) }
                        }
                    }
                }
            }
        }
    }
}

fn indexes(one: &Collection) -> String {
    let named: Vec<String> = one.indexes.iter().map(|fields| fields.join(" + ")).collect();
    if named.is_empty() { "–".to_owned() } else { named.join(", ") }
}

/// One collection that is to be seen.
///
/// # Errors
/// 404.
pub(super) async fn find(
    app: &App,
    name: &repo_core::CollectionName,
) -> Result<Collection, Failure> {
    let mut all = visible_collections(app).await?.into_iter();
    let found = all.find(|one| one.name == name.as_str());
    Ok(found.ok_or_else(|| {
        crate::http::ApiError::not_found("there is no such collection")
            .with("collection", name.as_str())
    })?)
}
