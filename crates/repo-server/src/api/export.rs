//! A whole query as a stream of lines.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use repo_core::{CollectionName, Error, Page, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::entity_json;
use super::query::QueryParams;
use super::visibility::visible;
use crate::auth::{Need, Read};
use crate::http::{ApiError, NamePath, Params};
use crate::state::App;

/// Documents that are in memory at a time.
const PAGE: usize = 500;

/// Which documents are exported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportParams {
    /// A filter, as JSON; all without one.
    filter: Option<String>,
    /// `field`, `field:asc` or `field:desc`.
    sort: Option<String>,
}

/// Every document that matches, a line each, however many there are. A stream that ends
/// without its last chunk is not whole: something failed, and the log of the server says what.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/export", tag = "documents",
    params(("collection" = String, Path), ExportParams),
    responses((status = 200, content_type = "application/x-ndjson",
        description = "Lines like the items of a page.")))]
pub(super) async fn export(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(params): Params<ExportParams>,
) -> Result<Response, ApiError> {
    visible(&name)?;
    let params = QueryParams { filter: params.filter, sort: params.sort, ..QueryParams::default() };
    let query = params.query(PAGE)?;
    // What is wrong with the query shows before the answer begins.
    let first = app.store.query(&name, &query).await?;
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines(app, name, query, first))).into_response())
}

/// What is left of an export.
enum Rest {
    Page(Page),
    After(repo_core::Cursor),
}

fn lines(
    app: Arc<App>,
    name: CollectionName,
    query: Query,
    first: Page,
) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    try_unfold(Some(Rest::Page(first)), move |rest| {
        let (app, name, query) = (Arc::clone(&app), name.clone(), query.clone());
        async move {
            let page = match rest {
                None => return Ok(None),
                Some(Rest::Page(page)) => page,
                Some(Rest::After(cursor)) => {
                    let read = app.store.query(&name, &query.after(cursor)).await;
                    read.inspect_err(|error| tracing::error!(%error, "an export broke off"))?
                }
            };
            let mut text = String::new();
            for entity in &page.entities {
                text.push_str(&entity_json(entity));
                text.push('\n');
            }
            Ok(Some((Bytes::from(text), page.next.map(Rest::After))))
        }
    })
}
