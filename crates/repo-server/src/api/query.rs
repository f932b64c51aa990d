//! Pages of a query.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use repo_core::{CollectionName, Cursor, Filter, Query};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::answer::{entity_json, json_text};
use super::visibility::visible;
use crate::auth::{Need, Read};
use crate::http::{ApiError, NamePath, Params, RawBody, read_json};
use crate::state::App;

/// Documents in a page that asks for no number.
const PAGE: usize = 100;

/// A query in a URL.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub struct QueryParams {
    /// A filter, as JSON: `{"status": "RUNNING"}`. All documents without one.
    pub filter: Option<String>,
    /// `field`, `field:asc` or `field:desc`. The store's own order without one.
    pub sort: Option<String>,
    /// Most documents in the page, 1 to 10,000; 100 without it.
    pub limit: Option<usize>,
    /// Where the last page ended: its `next`.
    pub cursor: Option<String>,
    /// Whether every acknowledged write has to be seen. So it is unless `false`.
    pub strong: Option<bool>,
}

/// A query in a body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryBody {
    /// A filter: `{"status": "RUNNING"}`. All documents without one.
    #[schema(value_type = Option<Object>)]
    filter: Option<Box<RawValue>>,
    /// `field`, `field:asc` or `field:desc`.
    sort: Option<String>,
    /// Most documents in the page, 1 to 10,000; 100 without it.
    limit: Option<usize>,
    /// Where the last page ended: its `next`.
    cursor: Option<String>,
    /// Whether every acknowledged write has to be seen. So it is unless `false`.
    strong: Option<bool>,
}

/// A document with what the store keeps beside it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone: documents travel as text")]
pub(super) struct Item {
    /// Its id.
    id: String,
    /// Its version, 1 or more.
    version: u64,
    /// When it was created, RFC 3339.
    created_at: String,
    /// When this version was written, RFC 3339.
    updated_at: String,
    /// The document as it is stored.
    #[schema(value_type = Object)]
    document: (),
}

/// A page.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone: documents travel as text")]
pub(super) struct Page {
    /// The documents.
    items: Vec<Item>,
    /// Where the next page starts; `null` after the last one. A page may be followed by an
    /// empty one.
    next: Option<String>,
}

/// One page of the documents that match.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/documents", tag = "documents",
    params(("collection" = String, Path), QueryParams),
    responses((status = 200, body = Page), (status = 400), (status = 404)))]
pub(super) async fn by_url(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(params): Params<QueryParams>,
) -> Result<Response, ApiError> {
    page(&app, &name, &params).await
}

/// The same with the query in the body, for long filters.
#[utoipa::path(post, path = "/api/v1/collections/{collection}/query", tag = "documents",
    params(("collection" = String, Path)), request_body = QueryBody,
    responses((status = 200, body = Page), (status = 400), (status = 404)))]
pub(super) async fn by_body(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let body: QueryBody = read_json(&body)?;
    let params = QueryParams {
        filter: body.filter.map(|filter| filter.get().to_owned()),
        sort: body.sort,
        limit: body.limit,
        cursor: body.cursor,
        strong: body.strong,
    };
    page(&app, &name, &params).await
}

/// Reads a filter; everything matches none.
///
/// # Errors
/// 400 for what is no filter.
pub fn parse_filter(text: Option<&str>) -> Result<Filter, ApiError> {
    Ok(text.filter(|text| !text.is_empty()).map(Filter::parse).transpose()?.unwrap_or_default())
}

impl QueryParams {
    /// The query, with at most this many documents unless it says how many.
    ///
    /// # Errors
    /// 400 for a part that is none.
    pub fn query(&self, limit: usize) -> Result<Query, ApiError> {
        let mut query = Query::new(parse_filter(self.filter.as_deref())?);
        query = query.limit(self.limit.unwrap_or(limit))?;
        if let Some(sort) = &self.sort {
            query = query.order_by(sort)?;
        }
        if let Some(cursor) = &self.cursor {
            query = query.after(Cursor::parse(cursor)?);
        }
        Ok(if self.strong.unwrap_or(true) { query.strong() } else { query })
    }
}

async fn page(
    app: &App,
    name: &CollectionName,
    params: &QueryParams,
) -> Result<Response, ApiError> {
    visible(name)?;
    let page = app.store.query(name, &params.query(PAGE)?).await?;
    let items: Vec<String> = page.entities.iter().map(entity_json).collect();
    let next = serde_json::json!(page.next.map(|next| next.to_string()));
    Ok(json_text(StatusCode::OK, format!("{{\"items\":[{}],\"next\":{next}}}", items.join(","))))
}
