//! Who may see and change what the data service keeps, and on which condition.

use axum::http::{HeaderMap, StatusCode};
use repo_core::{EntityId, ErrorKind, Version};
use repo_data::model::{Datapoint, DatapointStatus, Dataset, DatasetState, Entry, EntryStatus};
use repo_data::{DataService, Versioned};

use crate::auth::Caller;
use crate::http::{ApiError, IfMatch};
use crate::state::App;

/// Who asks, for the history of the store.
///
/// # Errors
/// 400 for a reason that is no text, or too long.
pub fn acting(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<DataService, ApiError> {
    Ok(match caller.attribution(headers)? {
        Some(by) => app.data.attributed_to((*by).clone()),
        None => app.data.clone(),
    })
}

/// An entry that the caller may see.
///
/// # Errors
/// 404 for one that is not there, is deleted, or is somebody else's.
pub async fn readable(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Entry>, ApiError> {
    let found = readable_or_deleted(app, caller, id).await?;
    if found.value.status == EntryStatus::Deleted { Err(no_entry(id)) } else { Ok(found) }
}

/// The same with one that is deleted, for whom it belongs to.
///
/// # Errors
/// 404 for one that is not there, or is somebody else's.
pub async fn readable_or_deleted(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Entry>, ApiError> {
    let found = match app.data.entry(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_entry(id)),
        found => found?,
    };
    let owner = caller.owner()?;
    let may = match found.value.status {
        EntryStatus::Deleted => found.value.owner == owner,
        EntryStatus::Pending | EntryStatus::Active => found.value.may_be_read_by(&owner),
    };
    if may || caller.sees_all() { Ok(found) } else { Err(no_entry(id)) }
}

fn no_entry(id: &EntityId) -> ApiError {
    ApiError::not_found("there is no such entry").with("id", id.as_str())
}

/// An entry that the caller may change.
///
/// # Errors
/// As [`readable`]; 403 for one that is shared to be read.
pub async fn changeable(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Entry>, ApiError> {
    owned(readable(app, caller, id).await?, caller)
}

/// The same with one that is deleted.
///
/// # Errors
/// As [`readable_or_deleted`]; 403 for one that is shared to be read.
pub async fn changeable_or_deleted(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Entry>, ApiError> {
    owned(readable_or_deleted(app, caller, id).await?, caller)
}

fn owned(found: Versioned<Entry>, caller: &Caller) -> Result<Versioned<Entry>, ApiError> {
    if caller.sees_all() || found.value.owner == caller.owner()? {
        return Ok(found);
    }
    Err(ApiError::forbidden("the entry belongs to somebody else"))
}

/// A dataset that the caller may see and change.
///
/// # Errors
/// 404 for one that is not there, is not active, or is somebody else's.
pub async fn dataset(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Dataset>, ApiError> {
    let found = dataset_or_deleted(app, caller, id).await?;
    if found.value.state == DatasetState::Active { Ok(found) } else { Err(no_dataset(id)) }
}

/// The same in whatever state it is.
///
/// # Errors
/// 404 for one that is not there, or is somebody else's.
pub async fn dataset_or_deleted(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Dataset>, ApiError> {
    let found = match app.data.dataset(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_dataset(id)),
        found => found?,
    };
    let may = caller.sees_all() || found.value.owner == caller.owner()?;
    if may { Ok(found) } else { Err(no_dataset(id)) }
}

fn no_dataset(id: &EntityId) -> ApiError {
    ApiError::not_found("there is no such dataset").with("id", id.as_str())
}

/// A datapoint as it is stored, deleted or not, that the caller may change. Everybody reads
/// datapoints; who sent one may change it.
///
/// # Errors
/// 404 for one that is not there, 403 for one that somebody else sent.
pub async fn datapoint_of_caller(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Datapoint>, ApiError> {
    let missing = || ApiError::not_found("there is no such datapoint").with("id", id.as_str());
    let found = match app.data.datapoint_record(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        found => found?,
    };
    if caller.sees_all() || found.value.owner == caller.owner()? {
        return Ok(found);
    }
    match found.value.status {
        DatapointStatus::Deleted => Err(missing()),
        DatapointStatus::Active => Err(ApiError::forbidden("somebody else sent the datapoint")),
    }
}

/// The version that a change expects of something whose version is `current`.
///
/// # Errors
/// 400 for what is no list of ETags, 412 for a list without the current one.
pub fn expected_of(headers: &HeaderMap, current: Version) -> Result<Option<Version>, ApiError> {
    match IfMatch::of(headers)? {
        IfMatch::Absent | IfMatch::Any => Ok(None),
        IfMatch::Versions(versions) if versions.contains(&current) => Ok(Some(current)),
        IfMatch::Versions(_) => {
            Err(ApiError::precondition_failed("no ETag of If-Match is current"))
        }
    }
}

/// The result of a change; a condition of the request that failed is 412.
///
/// # Errors
/// That of the change.
pub fn conditional<T>(
    done: repo_core::Result<T>,
    condition: Option<Version>,
) -> Result<T, ApiError> {
    done.map_err(|error| {
        let failed = error.kind() == ErrorKind::Conflict && condition.is_some();
        let error = ApiError::from(error);
        if failed { error.with_status(StatusCode::PRECONDITION_FAILED) } else { error }
    })
}
