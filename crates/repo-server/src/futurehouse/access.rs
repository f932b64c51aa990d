//! Ids and conditions, as these clients give them.

use repo_core::{EntityId, Version};

use super::create::check_uuid;
use crate::http::{ApiError, IfMatch};

/// Reads the id in a path.
///
/// # Errors
/// 422 for what is no UUID.
pub(super) fn entry_id(text: &str) -> Result<EntityId, ApiError> {
    let id = EntityId::new(text)?;
    check_uuid(&id)?;
    Ok(id)
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
