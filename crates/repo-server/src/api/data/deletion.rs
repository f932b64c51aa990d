//! Deleting for a time, and restoring: the same for entries, datasets and datapoints.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::{EntityId, ErrorKind, Timestamp, Version};
use repo_data::DataService;

use super::entries::shown;
use super::view::{DatapointView, DatasetView, Deleted, EntryView};
use crate::access::{
    acting, changeable_or_deleted, conditional, datapoint_of_caller, dataset_or_deleted,
    expected_of,
};
use crate::api::answer::serialized;
use crate::auth::{Caller, Need, Write};
use crate::http::{ApiError, IdPath};
use crate::state::App;

/// A request to delete or restore one record, by a caller who may write.
#[derive(Debug)]
pub(in crate::api) struct Change {
    app: Arc<App>,
    caller: Caller,
    id: EntityId,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<App>> for Change {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let need = Need::<Write>::from_request_parts(parts, app).await?;
        let IdPath(id) = IdPath::from_request_parts(parts, app).await?;
        let headers = parts.headers.clone();
        Ok(Self { app: Arc::clone(app), caller: need.caller, id, headers })
    }
}

impl Change {
    /// Deletes the record, if the condition of the request holds.
    async fn delete(self, kind: Kind) -> Result<Response, ApiError> {
        let (data, condition) = self.begin(kind).await?;
        conditional(kind.delete(&data, &self.id, condition).await, condition)?;
        let restorable_until = match kind.due(&data, &self.id).await {
            // It never had its bytes.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            due => due?,
        };
        serialized(StatusCode::OK, &Deleted { id: &self.id, restorable_until }, None)
    }

    /// Restores the record, if the condition of the request holds, and shows it.
    async fn restore(self, kind: Kind) -> Result<Response, ApiError> {
        let (data, condition) = self.begin(kind).await?;
        kind.restore(&self.app, &data, &self.id, condition).await
    }

    /// Who writes, and which version is expected of a record that the caller may change.
    async fn begin(&self, kind: Kind) -> Result<(DataService, Option<Version>), ApiError> {
        let current = kind.version(&self.app, &self.caller, &self.id).await?;
        let condition = expected_of(&self.headers, current)?;
        Ok((acting(&self.app, &self.caller, &self.headers)?, condition))
    }
}

/// What kind of record it is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Entry,
    Dataset,
    Datapoint,
}

impl Kind {
    /// The version of a record that the caller may change, deleted or not.
    async fn version(self, app: &App, caller: &Caller, id: &EntityId) -> Result<Version, ApiError> {
        Ok(match self {
            Self::Entry => changeable_or_deleted(app, caller, id).await?.version,
            Self::Dataset => dataset_or_deleted(app, caller, id).await?.version,
            Self::Datapoint => datapoint_of_caller(app, caller, id).await?.version,
        })
    }

    async fn delete(
        self,
        data: &DataService,
        id: &EntityId,
        expected: Option<Version>,
    ) -> repo_core::Result<()> {
        match self {
            Self::Entry => data.delete_entry(id, expected).await,
            Self::Dataset => data.delete_dataset(id, expected).await,
            Self::Datapoint => data.delete_datapoint(id, expected).await,
        }
    }

    /// Until when a deleted one can be restored.
    async fn due(self, data: &DataService, id: &EntityId) -> repo_core::Result<Option<Timestamp>> {
        Ok(match self {
            Self::Entry => data.entry(id).await?.value.due,
            Self::Dataset => data.dataset(id).await?.value.due,
            Self::Datapoint => data.datapoint_record(id).await?.value.due,
        })
    }

    async fn restore(
        self,
        app: &App,
        data: &DataService,
        id: &EntityId,
        expected: Option<Version>,
    ) -> Result<Response, ApiError> {
        match self {
            Self::Entry => {
                let found = conditional(data.restore_entry(id, expected).await, expected)?;
                shown(app, &found).await
            }
            Self::Dataset => {
                let found = conditional(data.restore_dataset(id, expected).await, expected)?;
                serialized(StatusCode::OK, &DatasetView::listed(&found), Some(found.version))
            }
            Self::Datapoint => {
                let found = conditional(data.restore_datapoint(id, expected).await, expected)?;
                serialized(StatusCode::OK, &DatapointView::new(&found), Some(found.version))
            }
        }
    }
}

/// Deletes an entry: it can be restored for a time, with its revisions. One that is pending is
/// removed. One that is deleted stays so.
#[utoipa::path(delete, path = "/api/v1/entries/{id}", tag = "entries",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Deleted), (status = 403), (status = 404),
        (status = 409, description = "A hold forbids it, or the directory is not empty."),
        (status = 412)))]
pub(in crate::api) async fn delete_entry(change: Change) -> Result<Response, ApiError> {
    change.delete(Kind::Entry).await
}

/// Restores a deleted entry, if its time is not over. One that is active stays so.
#[utoipa::path(post, path = "/api/v1/entries/{id}/restore", tag = "entries",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = EntryView), (status = 404),
        (status = 409, description = "It is too late, or it is restored with its dataset."),
        (status = 412)))]
pub(in crate::api) async fn restore_entry(change: Change) -> Result<Response, ApiError> {
    change.restore(Kind::Entry).await
}

/// Deletes a dataset with its entries: all of it can be restored for a time. Repeated it goes on
/// where it was.
#[utoipa::path(delete, path = "/api/v1/datasets/{id}", tag = "datasets",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Deleted), (status = 404),
        (status = 409, description = "A hold forbids it."), (status = 412)))]
pub(in crate::api) async fn delete_dataset(change: Change) -> Result<Response, ApiError> {
    change.delete(Kind::Dataset).await
}

/// Restores a deleted dataset with the entries that were deleted with it. Repeated it goes on
/// where it was.
#[utoipa::path(post, path = "/api/v1/datasets/{id}/restore", tag = "datasets",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = DatasetView), (status = 404),
        (status = 409, description = "It is too late, or it is still being deleted."),
        (status = 412)))]
pub(in crate::api) async fn restore_dataset(change: Change) -> Result<Response, ApiError> {
    change.restore(Kind::Dataset).await
}

/// Deletes a datapoint: it can be restored for a time. One that is deleted stays so.
#[utoipa::path(delete, path = "/api/v1/datapoints/{id}", tag = "datapoints",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Deleted), (status = 403), (status = 404),
        (status = 409, description = "A hold forbids it."), (status = 412)))]
pub(in crate::api) async fn delete_datapoint(change: Change) -> Result<Response, ApiError> {
    change.delete(Kind::Datapoint).await
}

/// Restores a deleted datapoint, if its time is not over. One that is active stays so.
#[utoipa::path(post, path = "/api/v1/datapoints/{id}/restore", tag = "datapoints",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = DatapointView), (status = 404),
        (status = 409, description = "It is too late."), (status = 412)))]
pub(in crate::api) async fn restore_datapoint(change: Change) -> Result<Response, ApiError> {
    change.restore(Kind::Datapoint).await
}
