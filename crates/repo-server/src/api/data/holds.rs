//! Holds: what forbids to delete something.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::EntityId;
use repo_data::NewHold;
use repo_data::model::Hold;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::read_checked;
use super::view::{DatapointView, DatasetView, EntryView};
use crate::access::{
    acting, changeable_or_deleted, conditional, datapoint_of_caller, dataset_or_deleted,
    expected_of,
};
use crate::api::answer::serialized;
use crate::auth::{Caller, Need, Write};
use crate::http::{ApiError, RawBody};
use crate::state::App;

/// A hold to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct HoldBody {
    /// Why: 1 to 1,000 bytes.
    reason: String,
}

fn ids((id, hold): (String, String)) -> Result<(EntityId, EntityId), ApiError> {
    Ok((EntityId::new(&id)?, EntityId::new(&hold)?))
}

fn new_hold(caller: &Caller, id: &EntityId, body: &[u8]) -> Result<NewHold, ApiError> {
    let HoldBody { reason } = read_checked(body)?;
    Ok(NewHold { id: id.clone(), reason, by: caller.owner()? })
}

/// A hold is released, and replaced, by who placed it, and by a key with the scope `admin`.
fn may_touch(caller: &Caller, holds: &[Hold], id: &EntityId) -> Result<(), ApiError> {
    let owner = caller.owner()?;
    let placed_by = holds.iter().find(|hold| hold.id == *id).map(|hold| &hold.by);
    if caller.sees_all() || placed_by.is_none_or(|by| *by == owner) {
        return Ok(());
    }
    Err(ApiError::forbidden("somebody else placed the hold")
        .remedy("ask who placed it, or use a key with the scope `admin`"))
}

/// The two routes of one kind of record.
macro_rules! holds {
    ($path:literal, $tag:literal, $find:ident, $view:ty, $show:expr,
     $place:ident = $hold:ident, $release:ident = $let_go:ident) => {
        /// Places a hold: while there is one, the record is not deleted. Placed again under the
        /// same id it is replaced.
        #[utoipa::path(put, path = $path, tag = $tag,
                    params(("id" = String, Path), ("hold" = String, Path),
                        ("If-Match" = Option<String>, Header)),
                    request_body = HoldBody,
                    responses((status = 200, body = $view), (status = 403), (status = 404),
                        (status = 412), (status = 413)))]
        pub(in crate::api) async fn $place(
            need: Need<Write>,
            State(app): State<Arc<App>>,
            Path(path): Path<(String, String)>,
            headers: HeaderMap,
            RawBody(body): RawBody,
        ) -> Result<Response, ApiError> {
            let (id, hold) = ids(path)?;
            let found = $find(&app, &need.caller, &id).await?;
            may_touch(&need.caller, &found.value.holds, &hold)?;
            let condition = expected_of(&headers, found.version)?;
            let new = new_hold(&need.caller, &hold, &body)?;
            let data = acting(&app, &need.caller, &headers)?;
            let found = conditional(data.$hold(&id, &new, condition).await, condition)?;
            serialized(StatusCode::OK, &$show(&found), Some(found.version))
        }

        /// Releases a hold; one that is not there is released already.
        #[utoipa::path(delete, path = $path, tag = $tag,
                    params(("id" = String, Path), ("hold" = String, Path)),
                    responses((status = 200, body = $view), (status = 403), (status = 404)))]
        pub(in crate::api) async fn $release(
            need: Need<Write>,
            State(app): State<Arc<App>>,
            Path(path): Path<(String, String)>,
            headers: HeaderMap,
        ) -> Result<Response, ApiError> {
            let (id, hold) = ids(path)?;
            let found = $find(&app, &need.caller, &id).await?;
            may_touch(&need.caller, &found.value.holds, &hold)?;
            let data = acting(&app, &need.caller, &headers)?;
            let found = data.$let_go(&id, &hold).await?;
            serialized(StatusCode::OK, &$show(&found), Some(found.version))
        }
    };
}

holds! {
    "/api/v1/entries/{id}/holds/{hold}", "entries", changeable_or_deleted, EntryView,
    EntryView::listed, place_on_entry = hold_entry, release_entry = release_entry
}
holds! {
    "/api/v1/datasets/{id}/holds/{hold}", "datasets", dataset_or_deleted, DatasetView,
    DatasetView::listed, place_on_dataset = hold_dataset,
    release_dataset = release_dataset
}
holds! {
    "/api/v1/datapoints/{id}/holds/{hold}", "datapoints", datapoint_of_caller, DatapointView,
    DatapointView::new, place_on_datapoint = hold_datapoint,
    release_datapoint = release_datapoint
}
