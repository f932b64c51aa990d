//! One document: as it is stored, its versions, and how it became what it is.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, Entity, EntityId, ErrorKind, Value, Version};
use repo_history::{History, KnownVersion, OlderState, OlderVersion};
use serde::Deserialize;

use super::collections::find;
use super::diff::diff;
use super::failure::Failure;
use super::json::{coloured, in_a_cell, pretty};
use super::links;
use super::page::{Section, page};
use super::parts::{State as How, bytes, heading, shortened, tag, time};
use super::session::Viewer;
use crate::api::Collection;
use crate::http::{ApiError, NamePath, Params};
use crate::state::App;

/// Versions in the list.
const VERSIONS: NonZeroUsize = NonZeroUsize::new(50).unwrap();
/// Characters of a value in the table of fields.
const SHORT: usize = 120;

/// Which document, and what of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) id: String,
    /// The query of the list that it was found in.
    pub(super) back: String,
    version: String,
    from: String,
    to: String,
    below: String,
}

/// What the page shows.
struct Shown<'a> {
    viewer: &'a Viewer,
    collection: &'a Collection,
    id: &'a EntityId,
    asked: &'a Asked,
    entity: Option<&'a Entity>,
}

/// The page.
pub(super) async fn show(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let collection = find(&app, &name).await?;
    let id = EntityId::new(&asked.id)?;
    let entity = app.store.get(&name, &id).await?;
    if entity.is_none() && !collection.history {
        return Err(missing(&name, &id).into());
    }
    let shown = Shown {
        viewer: &viewer,
        collection: &collection,
        id: &id,
        asked: &asked,
        entity: entity.as_ref(),
    };
    let history = History::of(Arc::clone(&app.store), name.clone());
    let body = html! {
        (shown.head())
        (shown.chosen(&history).await?)
        div.two[collection.history] {
            (shown.current())
            @if collection.history { (shown.versions(&history).await?) }
        }
    };
    let section =
        if collection.writable { Section::Collection(name.as_str()) } else { Section::Collections };
    Ok(page(&viewer, section, id.as_str(), &body))
}

/// There is no such document.
pub(super) fn missing(name: &CollectionName, id: &EntityId) -> ApiError {
    ApiError::not_found("there is no such document")
        .with("collection", name.as_str())
        .with("id", id.as_str())
}

impl Shown<'_> {
    fn changes(&self) -> bool {
        self.viewer.writes && self.collection.writable
    }

    fn link(&self, page: &str) -> String {
        links::document(&self.collection.name, page, self.id.as_str(), &self.asked.back)
    }

    fn with(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![("id", self.id.as_str()), ("back", self.asked.back.as_str())];
        parameters.extend_from_slice(more);
        links::with_query(&format!("/console/c/{}/document", self.collection.name), &parameters)
    }

    fn head(&self) -> Markup {
        let list = links::collection(&self.collection.name, &self.asked.back);
        html! {
            p.trail { a href=(list) { "← " (self.collection.name) } }
            (heading(self.id.as_str(), &html! {
                @match self.entity {
                    Some(entity) => span.where {
                        "version " (entity.version) " · " (time(entity.updated_at))
                    },
                    None => (tag(How::Bad, "deleted")),
                }
                span.grow {}
                @if let Some(entity) = self.entity.filter(|_| self.changes()) {
                    a.button.main href=(self.link("edit")) { "Edit" }
                    (self.delete(entity.version))
                }
            }))
        }
    }

    fn delete(&self, version: Version) -> Markup {
        html! {
            details.ask {
                summary.button { "Delete…" }
                form method="post" action=(self.link("delete")) {
                    input type="hidden" name="version" value=(version);
                    label { "Reason, if it is to be kept" input name="reason" maxlength="1000"; }
                    button.bad { "Delete version " (version) }
                }
            }
        }
    }

    fn current(&self) -> Markup {
        let Some(entity) = self.entity else {
            return html! { p.nothing { "There is no present version." } };
        };
        html! {
            div {
                h2 { "As it is stored" }
                div.sheet { pre.json { (coloured(entity.document.as_str())) } }
                h2 { "Fields" }
                (fields(&entity.document.to_value()))
                p.soft { (bytes(u64::try_from(entity.document.as_str().len()).unwrap_or(0)))
                    " of text · created " (time(entity.created_at)) }
            }
        }
    }

    /// The version or the difference that was asked for.
    async fn chosen(&self, history: &History) -> Result<Markup, Failure> {
        if !self.asked.from.is_empty() && !self.asked.to.is_empty() {
            let (from, to) = (number(&self.asked.from)?, number(&self.asked.to)?);
            let older = history.at_version(self.id, from).await?;
            let newer = history.at_version(self.id, to).await?;
            return Ok(html! {
                h2 { "From version " (from) " to " (to) }
                div.sheet { (diff(&text(&older), &text(&newer))) }
            });
        }
        if self.asked.version.is_empty() {
            return Ok(html! {});
        }
        let version = number(&self.asked.version)?;
        let older = history.at_version(self.id, version).await?;
        Ok(html! {
            h2 { "Version " (version) }
            @match &older.state {
                OlderState::Live { document, .. } => {
                    div.sheet { pre.json { (coloured(document.as_str())) } }
                    @if self.changes() && self.entity.is_none_or(|now| now.version != version) {
                        (self.restore(version))
                    }
                }
                OlderState::Deleted => p.nothing { "It was deleted in this version." },
                OlderState::Removed => p.nothing { "What it was is not kept any more." },
            }
        })
    }

    fn restore(&self, version: Version) -> Markup {
        let current = self.entity.map(|entity| entity.version.to_string()).unwrap_or_default();
        html! {
            form.line method="post" action=(self.link("restore")) {
                input type="hidden" name="older" value=(version);
                input type="hidden" name="version" value=(current);
                input name="reason" aria-label="Reason" placeholder="reason" maxlength="1000";
                button { "Make version " (version) " the present one" }
            }
        }
    }

    async fn versions(&self, history: &History) -> Result<Markup, Failure> {
        let below = match self.asked.below.as_str() {
            "" => None,
            text => Some(number(text)?),
        };
        let page = match history.versions(self.id, below, VERSIONS).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let name = CollectionName::new(&self.collection.name)?;
                return Err(missing(&name, self.id).into());
            }
            page => page?,
        };
        let more = page.next.map(|next| self.with(&[("below", &next.to_string())]));
        Ok(html! {
            div {
                h2 { "Versions" }
                div.sheet {
                    table {
                        thead { tr { th.n { "Version" } th {} th { "Written" } th { "By" } } }
                        tbody {
                            @for (at, known) in page.versions.iter().enumerate() {
                                (self.version_row(known, page.versions.get(at + 1)))
                            }
                        }
                    }
                }
                @if let Some(more) = more { p { a href=(more) { "Older versions" } } }
            }
        })
    }

    fn version_row(&self, known: &KnownVersion, before: Option<&KnownVersion>) -> Markup {
        let (version, by) = match known {
            KnownVersion::Kept { version, by } => (version, by.as_ref()),
            KnownVersion::Missing { first, last } => {
                return html! {
                    tr { td.n { (first) "–" (last) } td.soft colspan="3" { "not kept" } }
                };
            }
        };
        let number = version.version.to_string();
        let changed = before.and_then(|before| match before {
            KnownVersion::Kept { version, .. } => Some(version.version.to_string()),
            KnownVersion::Missing { .. } => None,
        });
        let reason = by.and_then(|by| by.reason());
        html! {
            tr {
                td.n { a href=(self.with(&[("version", &number)])) { (number) } }
                td {
                    @if matches!(version.state, OlderState::Deleted) { (tag(How::Bad, "deleted")) " " }
                    @if let Some(before) = changed {
                        a href=(self.with(&[("from", &before), ("to", &number)])) { "changes" }
                    }
                }
                td { (time(version.updated_at)) }
                td title=[reason] {
                    (by.and_then(|by| by.author()).unwrap_or("–"))
                    @if let Some(reason) = reason { div.soft { (shortened(reason, 40)) } }
                }
            }
        }
    }
}

fn number(text: &str) -> Result<Version, ApiError> {
    let number = text.parse().map_err(|_| ApiError::bad_request("this is no version"))?;
    Ok(Version::new(number)?)
}

fn text(version: &OlderVersion) -> String {
    match &version.state {
        OlderState::Live { document, .. } => pretty(document.as_str()),
        OlderState::Deleted | OlderState::Removed => String::new(),
    }
}

fn fields(document: &Value) -> Markup {
    let Value::Object(fields) = document else { return html! {} };
    html! {
        div.sheet {
            table {
                thead { tr { th { "Field" } th { "Type" } th { "Value" } } }
                tbody {
                    @for (name, value) in fields {
                        tr {
                            td.id { (shortened(name, SHORT)) }
                            td { span.soft { (value.type_name()) } }
                            td.wide { (shortened(&in_a_cell(value), SHORT)) }
                        }
                    }
                }
            }
        }
    }
}
