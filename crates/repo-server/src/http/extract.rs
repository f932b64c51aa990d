//! Paths, parameters and bodies, with errors of the one shape.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use repo_core::{CollectionName, EntityId};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::limits::body_error;

/// The name of a collection in a path.
#[derive(Debug, Clone)]
pub struct NamePath(pub CollectionName);

/// A collection and an id in a path.
#[derive(Debug, Clone)]
pub struct ItemPath {
    /// The collection.
    pub collection: CollectionName,
    /// The id.
    pub id: EntityId,
}

/// An id in a path.
#[derive(Debug, Clone)]
pub struct IdPath(pub EntityId);

/// The parameters of a query.
#[derive(Debug, Clone)]
pub struct Params<T>(pub T);

/// A whole body, which the limits of the route bound.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = path::<String, S>(parts, state).await?;
        Ok(Self(CollectionName::new(&name)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ItemPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((collection, id)) = path::<(String, String), S>(parts, state).await?;
        Ok(Self { collection: CollectionName::new(&collection)?, id: EntityId::new(&id)? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = path::<String, S>(parts, state).await?;
        Ok(Self(EntityId::new(&id)?))
    }
}

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Path<T>, ApiError> {
    let read = Path::<T>::from_request_parts(parts, state).await;
    read.map_err(|error| ApiError::bad_request(error.body_text()))
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value))
            .map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read_body(request.into_body()).await.map(Self)
    }
}

/// Reads a whole body.
///
/// # Errors
/// 413 above the limit of the route, 408 for one that stalls, 400 for one that breaks off.
pub async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(body_error)
}

/// Reads JSON into a type.
///
/// # Errors
/// 400 for text that is no JSON, 422 for JSON that does not fit.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let made = ApiError::bad_request(format!("the body cannot be read: {error}"));
        match error.classify() {
            serde_json::error::Category::Data => {
                made.with_status(axum::http::StatusCode::UNPROCESSABLE_ENTITY)
            }
            _ => made,
        }
    })
}
