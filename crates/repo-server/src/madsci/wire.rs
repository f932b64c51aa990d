//! Datapoints as MADSci's clients read them.

use axum::http::StatusCode;
use axum::response::Response;
use repo_core::{Error, ErrorKind, Result};
use repo_data::Versioned;

use repo_data::model::{DataType, Datapoint};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::api::{json_text, tagged};
use crate::bytes::base_name;
use crate::http::ApiError;
use crate::state::App;

/// A datapoint on the wire; its value is in its place.
#[derive(Debug)]
struct WireDatapoint<'a>(&'a Datapoint);

impl Serialize for WireDatapoint<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let one = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_id", &one.id)?;
        map.serialize_entry("label", &one.label)?;
        map.serialize_entry("ownership_info", &one.ownership_info)?;
        map.serialize_entry("data_type", &one.data_type)?;
        map.serialize_entry("data_timestamp", &one.data_timestamp)?;
        if one.data_type == DataType::Json {
            map.serialize_entry("value", &one.value)?;
        }
        if let Some(file) = &one.file {
            // The client opens a path that is there on its own disk: no such one can be.
            let path = format!("/datapoint/{}/value/{}", one.id, base_name(&file.name));
            map.serialize_entry("path", &path)?;
            map.serialize_entry("size_bytes", &file.blob.size)?;
        }
        for (name, value) in &one.fields {
            if !(one.file.is_some() && matches!(name.as_str(), "path" | "size_bytes")) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// The JSON of a datapoint whose value is in its place.
///
/// # Errors
/// None that can happen.
pub(super) fn datapoint_json(datapoint: &Datapoint) -> Result<String> {
    serde_json::to_string(&WireDatapoint(datapoint))
        .map_err(|error| Error::new(ErrorKind::Unexpected, "write", error.to_string()))
}

/// A datapoint as the answer to a request, with a value that is kept in a blob.
///
/// # Errors
/// Those of the store of blobs.
pub(super) async fn datapoint_response(
    app: &App,
    found: Versioned<Datapoint>,
) -> std::result::Result<Response, ApiError> {
    let mut one = [found];
    app.data.with_values(&mut one).await?;
    let [found] = one;
    let text = datapoint_json(&found.value)?;
    Ok(tagged(json_text(StatusCode::OK, text), Some(found.version)))
}
