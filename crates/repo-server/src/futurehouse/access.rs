//! Who may see and change an entry.

use axum::http::StatusCode;
use repo_core::{EntityId, ErrorKind, Version};
use repo_data::Versioned;
use repo_data::model::{Entry, EntryStatus};

use super::create::check_uuid;
use crate::auth::Caller;
use crate::http::{ApiError, IfMatch};
use crate::state::App;

/// Reads the id in a path.
///
/// # Errors
/// 422 for what is no UUID.
pub(super) fn entry_id(text: &str) -> Result<EntityId, ApiError> {
    let id = EntityId::new(text)?;
    check_uuid(&id)?;
    Ok(id)
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
    let missing = || ApiError::not_found("there is no such entry").with("id", id.as_str());
    let found = match app.data.entry(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        found => found?,
    };
    let may = caller.sees_all() || found.value.may_be_read_by(&caller.owner()?);
    let there = found.value.status != EntryStatus::Deleted;
    if may && there { Ok(found) } else { Err(missing()) }
}

/// An entry that the caller may change.
///
/// # Errors
/// As [`readable`]; 403 for one that is shared to be read.
pub(super) async fn changeable(
    app: &App,
    caller: &Caller,
    id: &EntityId,
) -> Result<Versioned<Entry>, ApiError> {
    let found = readable(app, caller, id).await?;
    if caller.sees_all() || found.value.owner == caller.owner()? {
        return Ok(found);
    }
    Err(ApiError::forbidden("the entry belongs to somebody else"))
}

/// The version that a change expects, by `If-Match`.
///
/// # Errors
/// 412 for a list without a version, 400 for one of several.
pub(super) fn expected(condition: IfMatch) -> Result<Option<Version>, ApiError> {
    match condition {
        IfMatch::Absent | IfMatch::Any => Ok(None),
        IfMatch::Versions(versions) => match versions.as_slice() {
            [version] => Ok(Some(*version)),
            [] => Err(ApiError::precondition_failed("no version has the ETag of If-Match")),
            _ => Err(ApiError::bad_request("If-Match has one ETag here")),
        },
    }
}

/// The result of a change; a condition of the request that failed is 412.
///
/// # Errors
/// That of the change.
pub(super) fn conditional<T>(
    done: repo_core::Result<T>,
    condition: Option<Version>,
) -> Result<T, ApiError> {
    done.map_err(|error| {
        let failed = error.kind() == ErrorKind::Conflict && condition.is_some();
        let error = ApiError::from(error);
        if failed { error.with_status(StatusCode::PRECONDITION_FAILED) } else { error }
    })
}
