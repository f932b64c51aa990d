//! The collections themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use repo_core::{CollectionSchema, Consistency, Filter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::parse_filter;
use super::visibility::{visible, writable};
use crate::auth::{Admin, Need, Read};
use crate::http::{ApiError, NamePath, Params};
use crate::state::App;

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// The field of a document that repeats its id.
    pub id_field: String,
    /// The version of the shape of its documents.
    pub schema_version: u32,
    /// Its indexes, each by its fields.
    pub indexes: Vec<Vec<String>>,
    /// Whether older versions are kept.
    pub history: bool,
    /// Whether this API may write it.
    pub writable: bool,
}

/// All collections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Collections {
    /// By name.
    collections: Vec<Collection>,
}

/// The collections of the store.
#[utoipa::path(get, path = "/api/v1/collections", tag = "collections",
    responses((status = 200, body = Collections)))]
pub(super) async fn list(
    _: Need<Read>,
    State(app): State<Arc<App>>,
) -> Result<Json<Collections>, ApiError> {
    Ok(Json(Collections { collections: visible_collections(&app).await? }))
}

/// The collections that are seen here, by name.
///
/// # Errors
/// Those of the store.
pub async fn visible_collections(app: &App) -> Result<Vec<Collection>, ApiError> {
    let record = app.store.store_record().await?;
    let seen = record.collections.iter().filter(|(name, _)| visible(name).is_ok());
    let collections = seen.map(|(name, state)| {
        let schema = app.schema(name);
        Collection {
            name: name.to_string(),
            id_field: schema.id_name().to_owned(),
            schema_version: state.schema_version,
            indexes: schema
                .indexes
                .iter()
                .map(|index| index.iter().map(ToString::to_string).collect())
                .collect(),
            history: record.history.contains_key(name),
            writable: writable(name).is_ok(),
        }
    });
    Ok(collections.collect())
}

/// Makes a collection without a schema: its documents have their id in the field `id`. One
/// that is there stays as it is.
#[utoipa::path(put, path = "/api/v1/collections/{collection}", tag = "collections",
    params(("collection" = String, Path)),
    responses((status = 204, description = "It is there."), (status = 403)))]
pub(super) async fn make(
    _: Need<Admin>,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
) -> Result<StatusCode, ApiError> {
    writable(&name)?;
    if app.schemas.declared(&name).is_none() {
        app.store.prepare(&[CollectionSchema::undeclared(name)]).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Which documents are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct CountParams {
    /// A filter, as JSON; all without one.
    filter: Option<String>,
}

/// A count.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Count {
    /// How many documents match.
    count: u64,
}

/// How many documents match.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/count", tag = "documents",
    params(("collection" = String, Path), CountParams),
    responses((status = 200, body = Count)))]
pub(super) async fn count(
    _: Need<Read>,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(params): Params<CountParams>,
) -> Result<Json<Count>, ApiError> {
    visible(&name)?;
    let filter: Filter = parse_filter(params.filter.as_deref())?;
    let count = app.store.count(&name, &filter, Consistency::Strong).await?;
    Ok(Json(Count { count }))
}
