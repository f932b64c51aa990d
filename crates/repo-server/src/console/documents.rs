//! The documents of a collection: filter, order, pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use repo_core::{Consistency, Entity, Page, Value};
use serde::Deserialize;

use super::collections::find;
use super::failure::Failure;
use super::frame::{respond, said};
use super::json::in_a_cell;
use super::links::{self, with_query};
use super::page::{Section, framed};
use super::parts::{heading, number, shortened, time};
use super::session::Viewer;
use crate::api::{Collection, QueryParams, parse_filter};
use crate::http::{ApiError, NamePath, Params};
use crate::state::App;

/// Documents in a page that asks for no number, and what else is offered.
const PAGE: usize = 50;
const SIZES: [usize; 4] = [25, 50, 100, 500];
/// Fields that are shown beside id, version and time.
const FIELDS: usize = 5;
/// Characters of a value in the table.
const SHORT: usize = 60;

/// What is asked for. All of it stands in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    filter: String,
    sort: String,
    limit: String,
    cursor: String,
    count: String,
}

impl Asked {
    fn limit(&self) -> usize {
        self.limit.parse().ok().filter(|limit| SIZES.contains(limit)).unwrap_or(PAGE)
    }

    /// The query of the same list, from its beginning, with another order if one is given.
    fn query(&self, sort: &str, cursor: &str, count: bool) -> String {
        let limit = self.limit().to_string();
        let limit = if self.limit() == PAGE { "" } else { limit.as_str() };
        let count = if count { "1" } else { "" };
        let parameters = [
            ("filter", self.filter.as_str()),
            ("sort", sort),
            ("limit", limit),
            ("cursor", cursor),
            ("count", count),
        ];
        with_query("", &parameters).trim_start_matches('?').to_owned()
    }

    fn params(&self) -> QueryParams {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        QueryParams {
            filter: given(&self.filter),
            sort: given(&self.sort),
            limit: Some(self.limit()),
            cursor: given(&self.cursor),
            strong: None,
        }
    }
}

/// The page. A filter that is none is shown with what is wrong in it.
pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    let collection = find(&app, &name).await?;
    let read = read(&app, &name, &asked).await;
    let (status, found) = match &read {
        Ok((found, count)) => (StatusCode::OK, table(&collection, &asked, found, *count)),
        Err(error) if error.status().is_client_error() => (error.status(), said(error)),
        Err(_) => (StatusCode::OK, html! {}),
    };
    if let Err(error) = read
        && !error.status().is_client_error()
    {
        return Err(error.into());
    }
    let make = format!("/console/c/{name}/new");
    let body = html! {
        (heading(name.as_str(), &html! {
            span.where { (facts(&collection)) }
            span.grow {}
            @if viewer.writes && collection.writable { a.button href=(make) { "New document" } }
        }))
        div #results hx-target="#results" hx-select="#results" hx-swap="outerHTML" {
            (form(&collection, &asked))
            (found)
        }
    };
    let section =
        if collection.writable { Section::Collection(name.as_str()) } else { Section::Collections };
    Ok(respond(status, &framed(&viewer, section, name.as_str(), &body)))
}

async fn read(
    app: &App,
    name: &repo_core::CollectionName,
    asked: &Asked,
) -> Result<(Page, Option<u64>), ApiError> {
    let params = asked.params();
    let query = params.query(PAGE)?;
    let count = match asked.count.is_empty() {
        true => None,
        false => {
            let filter = parse_filter(params.filter.as_deref())?;
            Some(app.store.count(name, &filter, Consistency::Strong).await?)
        }
    };
    Ok((app.store.query(name, &query).await?, count))
}

fn facts(collection: &Collection) -> String {
    let history = if collection.history { "history is kept" } else { "no history" };
    let written = if collection.writable { "" } else { " · written by the data service" };
    format!("id in {} · {history}{written}", collection.id_field)
}

fn form(collection: &Collection, asked: &Asked) -> Markup {
    let path = links::collection(&collection.name, "");
    html! {
        form.filter method="get" action=(path) hx-get=(path) hx-push-url="true" role="search" {
            input #filter name="filter" aria-label="Filter, as JSON" value=(asked.filter)
                placeholder=r#"{"status": "running", "price": {"$lt": 0.1}}"#
                spellcheck="false" autocomplete="off";
            input.sort #sort name="sort" aria-label="Order: field, field:desc" value=(asked.sort)
                placeholder="order" spellcheck="false" autocomplete="off";
            select #limit name="limit" aria-label="Documents in a page" {
                @for size in SIZES {
                    option value=(size) selected[size == asked.limit()] { (size) }
                }
            }
            button { "Filter" }
        }
    }
}

fn table(collection: &Collection, asked: &Asked, found: &Page, count: Option<u64>) -> Markup {
    let values: Vec<Value> =
        found.entities.iter().map(|entity| entity.document.to_value()).collect();
    let fields = fields(collection, &values);
    let back = asked.query(&asked.sort, &asked.cursor, false);
    html! {
        div.sheet {
            table {
                thead {
                    tr {
                        th { (collection.id_field) }
                        @for field in &fields { (column(collection, asked, field, &values)) }
                        th { "updated" }
                        th.n { "version" }
                    }
                }
                tbody {
                    @for (entity, value) in found.entities.iter().zip(&values) {
                        (row(collection, entity, value, &fields, &back))
                    }
                }
            }
        }
        @if found.entities.is_empty() { p.nothing { "No document matches." } }
        (below(collection, asked, found, count))
    }
}

fn below(collection: &Collection, asked: &Asked, found: &Page, count: Option<u64>) -> Markup {
    let to = |cursor: &str, count: bool| {
        links::collection(&collection.name, &asked.query(&asked.sort, cursor, count))
    };
    let link = |to: &str, text: &str| {
        html! { a href=(to) hx-get=(to) hx-push-url="true" { (text) } }
    };
    html! {
        div.pager {
            span.soft { (number(found.entities.len() as u64)) " in this page" }
            @match count {
                Some(count) => { span { (number(count)) " in all" } }
                None => { (link(&to(&asked.cursor, true), "Count all")) }
            }
            span.grow {}
            @if !asked.cursor.is_empty() { (link(&to("", false), "First page")) }
            @if let Some(next) = &found.next { (link(&to(&next.to_string(), false), "Next page")) }
        }
    }
}

/// The head of a column; a click orders by it, another one the other way round.
fn column(collection: &Collection, asked: &Asked, field: &str, values: &[Value]) -> Markup {
    let up = asked.sort == field || asked.sort == format!("{field}:asc");
    let down = asked.sort == format!("{field}:desc");
    let sort = if up { format!("{field}:desc") } else { field.to_owned() };
    let to = links::collection(&collection.name, &asked.query(&sort, "", false));
    let order = if up { Some("ascending") } else { down.then_some("descending") };
    let sign = if up {
        " ↑"
    } else if down {
        " ↓"
    } else {
        ""
    };
    html! {
        th.n[are_numbers(field, values)] aria-sort=[order] {
            a href=(to) hx-get=(to) hx-push-url="true" { (field) (sign) }
        }
    }
}

fn row(
    collection: &Collection,
    entity: &Entity,
    value: &Value,
    fields: &[String],
    back: &str,
) -> Markup {
    let to = links::document(&collection.name, "document", entity.id.as_str(), back);
    html! {
        tr {
            td.id { a href=(to) { (shortened(entity.id.as_str(), SHORT)) } }
            @for field in fields {
                @match scalar(value, field) {
                    Some(value @ Value::Number(_)) => { td.n { (in_a_cell(value)) } }
                    Some(Value::Null) => { td { span.soft { "null" } } }
                    Some(value) => { td { (shortened(&in_a_cell(value), SHORT)) } }
                    None => { td { span.soft { "–" } } }
                }
            }
            td { (time(entity.updated_at)) }
            td.n { (entity.version) }
        }
    }
}

fn scalar<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    let Value::Object(fields) = value else { return None };
    fields.get(field)
}

fn are_numbers(field: &str, values: &[Value]) -> bool {
    let mut found = values.iter().filter_map(|value| scalar(value, field)).peekable();
    found.peek().is_some() && found.all(|value| matches!(value, Value::Number(_) | Value::Null))
}

/// The fields that are shown: those of indexes first, then those that most documents have with
/// a value that fits into a cell.
fn fields(collection: &Collection, values: &[Value]) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values {
        let Value::Object(object) = value else { continue };
        for (name, value) in object {
            let fits = !matches!(value, Value::Object(_) | Value::Array(_));
            if fits && *name != collection.id_field && !name.contains('.') {
                *seen.entry(name).or_default() += 1;
            }
        }
    }
    let indexed = |name: &str| collection.indexes.iter().flatten().any(|field| field == name);
    let mut fields: Vec<(&str, usize)> = seen.into_iter().collect();
    fields.sort_by_key(|&(name, count)| (!indexed(name), std::cmp::Reverse(count)));
    fields.into_iter().take(FIELDS).map(|(name, _)| name.to_owned()).collect()
}
