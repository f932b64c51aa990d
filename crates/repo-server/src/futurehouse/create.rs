//! `POST data-entries`.

use axum::http::StatusCode;
use repo_core::EntityId;
use repo_data::model::{ContentKind, Json, OutsideLocation, Owner, StorageType};
use repo_data::{NewContent, NewEntry};
use serde::Deserialize;

use crate::bytes::base_name;
use crate::http::{ApiError, Taken};

/// Something outside that is registered.
#[derive(Debug, Deserialize)]
struct ExistingLocation {
    storage_type: StorageType,
    content_type: Option<ContentKind>,
    location: Option<String>,
    metadata: Option<Json>,
}

/// Reads what is to be created. What the server does not know is kept with the entry.
///
/// # Errors
/// 422 for fields of another type, and for a request that says two things at once.
pub(super) fn new_entry(
    mut taken: Taken,
    owner: Owner,
    key: Option<String>,
) -> Result<NewEntry, ApiError> {
    let name: String = taken.need("name")?;
    let text: Option<String> = taken.take("content")?;
    let is_collection = taken.take("is_collection")?.unwrap_or(false);
    let file_path: Option<String> = taken.take("file_path")?;
    let existing: Option<ExistingLocation> = taken.take("existing_location")?;
    let content = content(text.clone(), is_collection, file_path.is_some(), existing);
    let mut new = NewEntry::new(name, owner, content);
    new.idempotency_key = key;
    new.description = taken.take("description")?;
    new.parent = taken.id("parent_id")?;
    new.dataset = taken.id("dataset_id")?;
    new.project = taken.id("project_id")?;
    new.tags = taken.take("tags")?.unwrap_or_default();
    new.metadata = taken.json("metadata");
    new.file_path = file_path;
    new.content_type = taken.take("content_type")?;
    for id in [&new.parent, &new.dataset].into_iter().flatten() {
        check_uuid(id)?;
    }
    new.extra = taken.rest();
    new.extra.retain(|_, value| value.as_str() != "null");
    if let (NewContent::Outside(location), Some(text)) = (&mut new.content, text) {
        keep_address(location, text)?;
    }
    Ok(new)
}

/// A link has its address as text as well: it is kept once, and given back twice.
fn keep_address(location: &mut OutsideLocation, text: String) -> Result<(), ApiError> {
    let is_link = location.storage_type == StorageType::Link;
    match &location.location {
        None if is_link => {
            location.location = Some(text);
            Ok(())
        }
        Some(address) if is_link && *address == text => Ok(()),
        _ => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            "an entry has content, or an existing location, and not both",
        )),
    }
}

fn content(
    text: Option<String>,
    is_collection: bool,
    has_file: bool,
    existing: Option<ExistingLocation>,
) -> NewContent {
    match (existing, text) {
        (Some(place), _) => NewContent::Outside(OutsideLocation {
            storage_type: place.storage_type,
            content_type: place.content_type.unwrap_or(ContentKind::File),
            location: place.location,
            metadata: place.metadata,
        }),
        (None, Some(text)) => NewContent::Text(text),
        (None, None) if is_collection => NewContent::Collection,
        (None, None) if has_file => NewContent::File,
        (None, None) => NewContent::Directory,
    }
}

/// Ids are UUIDs here; anything else is a mistake of the caller.
///
/// # Errors
/// 422.
pub(super) fn check_uuid(id: &EntityId) -> Result<(), ApiError> {
    uuid::Uuid::parse_str(id.as_str()).map(drop).map_err(|_| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", "an id is a UUID")
            .with("id", base_name(id.as_str()))
    })
}
