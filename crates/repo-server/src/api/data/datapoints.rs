//! Datapoints: listed and read. They are submitted at `/datapoint`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::{EntityId, ErrorKind, Filter, field};
use repo_data::model::{DataType, Datapoint, DatapointStatus};
use repo_data::{PageRequest, Versioned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::DatapointView;
use crate::access::datapoint_of_caller;
use crate::api::answer::{not_modified, serialized};
use crate::auth::{Caller, Need, Read};
use crate::bytes::datapoint_value;
use crate::http::{ApiError, IdPath, Params};
use crate::state::App;

/// Which datapoints are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct ListParams {
    /// Only with this label.
    label: Option<String>,
    /// Only `json`, `file` or `object_storage`.
    #[param(value_type = Option<String>)]
    data_type: Option<DataType>,
    /// Only of this owner.
    owner: Option<String>,
    /// Most datapoints, 1 to 1,000; 100 without it.
    limit: Option<usize>,
    /// Where the last page ended: its `next`.
    cursor: Option<String>,
}

impl ListParams {
    fn filter(&self) -> repo_core::Result<Filter> {
        let mut parts = Vec::new();
        if let Some(label) = &self.label {
            parts.push(field("label").eq(label).filter()?);
        }
        if let Some(data_type) = self.data_type {
            parts.push(field("data_type").eq(data_type).filter()?);
        }
        if let Some(owner) = &self.owner {
            parts.push(field("owner").eq(owner).filter()?);
        }
        Ok(if parts.is_empty() { Filter::default() } else { Filter::And(parts) })
    }
}

/// A page of datapoints.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DatapointPage<'a> {
    /// The datapoints; values above 64 KiB are read one by one.
    items: Vec<DatapointView<'a>>,
    /// Where the next page starts; `null` after the last one. A page may be followed by an
    /// empty one.
    next: Option<&'a str>,
}

/// One page of the active datapoints, the latest `data_timestamp` first. They belong to the
/// laboratory: every key reads them.
#[utoipa::path(get, path = "/api/v1/datapoints", tag = "datapoints", params(ListParams),
    responses((status = 200, body = DatapointPage), (status = 400)))]
pub(in crate::api) async fn list(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    Params(asked): Params<ListParams>,
) -> Result<Response, ApiError> {
    let filter = asked.filter()?;
    let page = PageRequest { limit: asked.limit, cursor: asked.cursor };
    let page = app.data.query_datapoints(filter, &page).await?;
    let items = page.items.iter().map(DatapointView::new).collect();
    serialized(StatusCode::OK, &DatapointPage { items, next: page.next.as_deref() }, None)
}

/// An active datapoint with its value; a deleted one for who may change it.
async fn readable(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Datapoint>, ApiError> {
    match app.data.datapoint(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let found = datapoint_of_caller(app, caller, id).await?;
            match found.value.status {
                DatapointStatus::Deleted => Ok(found),
                // It was restored between the two reads.
                DatapointStatus::Active => Ok(app.data.datapoint(id).await?),
            }
        }
        found => Ok(found?),
    }
}

/// A datapoint with its value. A deleted one is shown to who sent it.
#[utoipa::path(get, path = "/api/v1/datapoints/{id}", tag = "datapoints",
    params(("id" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = DatapointView), (status = 304), (status = 404)))]
pub(in crate::api) async fn read(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = readable(&app, &need.caller, &id).await?;
    if let Some(known) = not_modified(&headers, found.version)? {
        return Ok(known);
    }
    serialized(StatusCode::OK, &DatapointView::new(&found), Some(found.version))
}

/// What a datapoint holds: its value as JSON, or the bytes of its file, or a range of them.
#[utoipa::path(get, path = "/api/v1/datapoints/{id}/value", tag = "datapoints",
    params(("id" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, description = "The value, or the bytes."), (status = 206),
        (status = 403, description = "The bucket of its object is not listed."),
        (status = 404), (status = 416)))]
pub(in crate::api) async fn value(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = app.data.datapoint(&id).await?;
    datapoint_value(&app, &headers, &found.value).await
}
