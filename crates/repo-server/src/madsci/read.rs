//! Datapoints read: one, its value, a list.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use repo_core::{EntityId, Error, ErrorKind};
use repo_data::model::Datapoint;
use repo_data::{PageOf, PageRequest, Versioned};
use serde::Deserialize;

use super::error::Told;
use super::wire::{datapoint_json, datapoint_response};
use crate::api::json_text;
use crate::auth::{Need, Read};
use crate::bytes::datapoint_value;
use crate::http::{ApiError, Params};
use crate::state::App;

/// Datapoints in a list that asks for no number.
const NUMBER: u64 = 100;
/// Datapoints that are in memory at a time.
const PAGE: usize = 100;

async fn find(app: &App, id: &str) -> Result<Versioned<Datapoint>, ApiError> {
    let missing = || ApiError::not_found(format!("Datapoint with id {} not found.", shown(id)));
    let Ok(key) = EntityId::new(id) else { return Err(missing()) };
    match app.data.datapoint(&key).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        found => Ok(found?),
    }
}

/// An id of a caller, as it may be repeated.
fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// One datapoint.
pub(super) async fn read(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Told> {
    Ok(datapoint_response(&app, find(&app, &id).await?).await?)
}

/// What a datapoint holds: its value, or the bytes of its file.
pub(super) async fn value(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Told> {
    let found = find(&app, &id).await?.value;
    Ok(datapoint_value(&app, &headers, &found).await?)
}

/// How many are listed.
#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    number: Option<u64>,
}

/// The latest datapoints, by their ids.
pub(super) async fn list(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Params(params): Params<ListParams>,
) -> Result<Response, Told> {
    let number = params.number.unwrap_or(NUMBER);
    if number == 0 {
        return Ok(json_text(StatusCode::OK, "{}".to_owned()));
    }
    let first = app.data.list_datapoints(&page(number, None)).await?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(stream(app, number, first))).into_response())
}

fn page(left: u64, cursor: Option<String>) -> PageRequest {
    let limit = usize::try_from(left).unwrap_or(PAGE).clamp(1, PAGE);
    PageRequest { limit: Some(limit), cursor }
}

/// What is left of a list.
struct Rest {
    page: Option<PageOf<Datapoint>>,
    cursor: Option<String>,
    left: u64,
    /// Whether a datapoint was written.
    begun: bool,
    /// Whether anything was.
    opened: bool,
}

/// An object, page by page.
fn stream(
    app: Arc<App>,
    number: u64,
    first: PageOf<Datapoint>,
) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    let first = Rest { page: Some(first), cursor: None, left: number, begun: false, opened: false };
    try_unfold(Some(first), move |rest| {
        let app = Arc::clone(&app);
        async move {
            let Some(mut rest) = rest else { return Ok(None) };
            let page = match rest.page.take() {
                Some(page) => page,
                None => {
                    let asked = page_request(&rest);
                    let read = app.data.list_datapoints(&asked).await;
                    read.inspect_err(|error| tracing::error!(%error, "a list broke off"))?
                }
            };
            let PageOf { mut items, next } = page;
            app.data.with_values(&mut items).await?;
            let mut text = String::from(if rest.opened { "" } else { "{" });
            rest.opened = true;
            for (at, found) in items.iter().enumerate() {
                if rest.begun || at > 0 {
                    text.push(',');
                }
                text.push_str(&member(&found.value)?);
            }
            rest.begun |= !items.is_empty();
            rest.left = rest.left.saturating_sub(items.len() as u64);
            rest.cursor = next;
            if rest.left == 0 || rest.cursor.is_none() {
                text.push('}');
                return Ok(Some((Bytes::from(text), None)));
            }
            Ok(Some((Bytes::from(text), Some(rest))))
        }
    })
}

fn page_request(rest: &Rest) -> PageRequest {
    page(rest.left, rest.cursor.clone())
}

/// `"ID": {…}`.
pub(super) fn member(datapoint: &Datapoint) -> Result<String, Error> {
    let id = serde_json::Value::from(datapoint.id.as_str());
    Ok(format!("{id}:{}", datapoint_json(datapoint)?))
}
