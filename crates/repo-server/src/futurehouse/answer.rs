//! Entries as answers.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use repo_core::Version;
use repo_data::Versioned;
use repo_data::model::{Content, Entry, StorageType};

use super::wire::{DataStorageResponse, Signing};
use crate::api::{json_text, tagged};
use crate::bytes::Base;
use crate::http::ApiError;
use crate::state::App;

/// The text of an entry, as these clients read it: of a link its address.
pub(super) async fn text_of(app: &App, entry: &Entry) -> Result<Option<String>, ApiError> {
    match &entry.content {
        Content::Outside { location, .. } if location.storage_type == StorageType::Link => {
            Ok(location.location.clone())
        }
        content => Ok(app.data.text(content).await?),
    }
}

/// An entry as the answer to a request.
pub(super) async fn answer(
    app: &App,
    headers: &HeaderMap,
    found: &Versioned<Entry>,
) -> Result<Response, ApiError> {
    let base = Base::of(app.config.public_url.as_deref(), headers)?;
    let signing = Signing { base: &base, signer: &app.signer, now: app.clock.now() };
    let text = text_of(app, &found.value).await?;
    let body = DataStorageResponse::new(&found.value, text.as_deref(), signing);
    json_response(&body, Some(found.version))
}

/// JSON with an ETag.
pub(super) fn json_response(
    body: &impl serde::Serialize,
    version: Option<Version>,
) -> Result<Response, ApiError> {
    let text = serde_json::to_string(body).map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", error.to_string())
    })?;
    Ok(tagged(json_text(StatusCode::OK, text), version))
}
