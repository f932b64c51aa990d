//! Datasets: created, listed, read, changed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_data::model::{Json, Scope};
use repo_data::{DatasetPatch, NewDataset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{PageParams, creation_error, creation_key, nullable, read_checked};
use super::create::located;
use super::view::DatasetView;
use crate::access::{acting, conditional, dataset, dataset_or_deleted, expected_of};
use crate::api::answer::{not_modified, serialized};
use crate::auth::{Need, Read, Write};
use crate::http::{ApiError, IdPath, Params, RawBody};
use crate::state::App;

/// A dataset to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewDatasetBody {
    /// 1 to 1,000 bytes.
    name: String,
    /// At most 16 KiB.
    description: Option<String>,
    /// At most 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
}

/// Creates a dataset. Made again with the same `Idempotency-Key` the same request finds what it
/// made.
#[utoipa::path(post, path = "/api/v1/datasets", tag = "datasets",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = NewDatasetBody,
    responses((status = 201, body = DatasetView), (status = 422)))]
pub(in crate::api) async fn create(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let key = creation_key(&headers)?;
    let body: NewDatasetBody = read_checked(&body)?;
    let mut new = NewDataset::new(body.name, need.caller.owner()?);
    new.description = body.description;
    new.metadata = body.metadata;
    new.idempotency_key.clone_from(&key);
    let made = acting(&app, &need.caller, &headers)?.create_dataset(new).await;
    let found = made.map_err(|error| creation_error(error, key.is_some()))?;
    let view = DatasetView::listed(&found);
    let mut response = serialized(StatusCode::CREATED, &view, Some(found.version))?;
    located(&mut response, &format!("/api/v1/datasets/{}", found.value.id));
    Ok(response)
}

/// A page of datasets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DatasetPage<'a> {
    /// The datasets.
    items: Vec<DatasetView<'a>>,
    /// Where the next page starts; `null` after the last one.
    next: Option<&'a str>,
}

/// One page of the active datasets of the caller, of all with the scope `admin`; the oldest
/// first.
#[utoipa::path(get, path = "/api/v1/datasets", tag = "datasets", params(PageParams),
    responses((status = 200, body = DatasetPage), (status = 400)))]
pub(in crate::api) async fn list(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    Params(asked): Params<PageParams>,
) -> Result<Response, ApiError> {
    let owner = if need.caller.sees_all() { None } else { Some(need.caller.owner()?) };
    let page = app.data.list_datasets(owner.as_ref(), &asked.request()).await?;
    let items = page.items.iter().map(DatasetView::listed).collect();
    serialized(StatusCode::OK, &DatasetPage { items, next: page.next.as_deref() }, None)
}

/// A dataset, deleted or not, and how much is in it.
#[utoipa::path(get, path = "/api/v1/datasets/{id}", tag = "datasets",
    params(("id" = String, Path), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = DatasetView), (status = 304), (status = 404)))]
pub(in crate::api) async fn read(
    need: Need<Read>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = dataset_or_deleted(&app, &need.caller, &id).await?;
    if let Some(known) = not_modified(&headers, found.version)? {
        return Ok(known);
    }
    let usage = app.data.usage(Scope::Dataset, id.as_str()).await?;
    serialized(StatusCode::OK, &DatasetView::new(&found, Some(usage)), Some(found.version))
}

/// What is changed of a dataset; what is not there stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DatasetPatchBody {
    /// Its name.
    name: Option<String>,
    /// Its description; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Its metadata, all of them; null removes them.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Option<Json>>,
}

/// Changes what is said of a dataset.
#[utoipa::path(patch, path = "/api/v1/datasets/{id}", tag = "datasets",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = DatasetPatchBody,
    responses((status = 200, body = DatasetView), (status = 404), (status = 412), (status = 422)))]
pub(in crate::api) async fn patch(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    IdPath(id): IdPath,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let found = dataset(&app, &need.caller, &id).await?;
    let body: DatasetPatchBody = read_checked(&body)?;
    let condition = expected_of(&headers, found.version)?;
    let patch =
        DatasetPatch { name: body.name, description: body.description, metadata: body.metadata };
    let data = acting(&app, &need.caller, &headers)?;
    let found = conditional(data.patch_dataset(&id, &patch, condition).await, condition)?;
    serialized(StatusCode::OK, &DatasetView::listed(&found), Some(found.version))
}
