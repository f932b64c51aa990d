//! `POST /datapoint`: a form, with a file or without.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::multipart::Field;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use repo_blob::Expected;
use repo_data::model::{DataType, Datapoint, Json, Owner};
use repo_data::{FileStream, NewDatapoint, Versioned};

use super::error::Told;
use super::wire::datapoint_response;
use crate::auth::{Need, Write};
use crate::bytes::{base_name, field_stream, form_of, next_field, small_field};
use crate::http::{ApiError, Taken, read_body};
use crate::state::App;

/// The field with the datapoint, as JSON.
const DATAPOINT: &str = "datapoint";
/// The field with its file.
const FILES: &str = "files";

/// Stores a datapoint. Sent again with the same content it is found as it was stored.
pub(super) async fn submit(
    need: Need<Write>,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Told> {
    let owner = need.caller.owner()?;
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let found = if kind.starts_with("multipart/form-data") {
        of_multipart(&app, owner, request).await?
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        let (parts, body) = request.into_parts();
        let body = bounded(&app, &parts.headers, body)?;
        let form = read_body(body).await?;
        let text = form_urlencoded::parse(&form).find(|(name, _)| name == DATAPOINT);
        let (_, text) = text.ok_or_else(missing)?;
        let new = new_datapoint(text.as_bytes(), owner)?;
        app.data.submit_datapoint(new, None).await?
    } else {
        let why = "a datapoint comes as a form";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid", why).into());
    };
    Ok(datapoint_response(&app, found).await?)
}

/// The limit of a body without a file, which is kept in memory.
fn bounded(app: &App, headers: &HeaderMap, body: Body) -> Result<Body, ApiError> {
    let most = app.config.limits.max_json_bytes.get();
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    if declared.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > most) {
        return Err(too_large(most));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(Body::new(http_body_util::Limited::new(body, most)))
}

fn too_large(most: u64) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", "the datapoint is too large")
        .with("limit", most)
        .remedy("submit it as a file")
        .close()
}

fn missing() -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", "the form has no field `datapoint`")
}

async fn of_multipart(
    app: &App,
    owner: Owner,
    request: Request,
) -> Result<Versioned<Datapoint>, ApiError> {
    let mut form = form_of(request).await?;
    let most = app.config.limits.max_json_bytes.get();
    let mut text: Option<Vec<u8>> = None;
    while let Some(field) = next_field(&mut form).await? {
        match field.name() {
            Some(DATAPOINT) => text = Some(small_field(field, most, || too_large(most)).await?),
            Some(FILES) => {
                let why = "the field `datapoint` comes before the file";
                let text = text.ok_or_else(|| ApiError::bad_request(why))?;
                return with_file(app, new_datapoint(&text, owner)?, field).await;
            }
            _ => return Err(ApiError::bad_request("the form has a field that is not known")),
        }
    }
    let new = new_datapoint(&text.ok_or_else(missing)?, owner)?;
    Ok(app.data.submit_datapoint(new, None).await?)
}

async fn with_file(
    app: &App,
    new: NewDatapoint,
    field: Field<'_>,
) -> Result<Versioned<Datapoint>, ApiError> {
    let name = base_name(field.file_name().unwrap_or_default()).to_owned();
    let content_type = field.content_type().map(str::to_owned);
    let bytes = field_stream(field);
    let file = FileStream { name, content_type, expected: Expected::NOTHING, bytes };
    Ok(app.data.submit_datapoint(new, Some(file)).await?)
}

/// Reads a datapoint. What the server does not know is kept with it.
fn new_datapoint(text: &[u8], owner: Owner) -> Result<NewDatapoint, ApiError> {
    let mut taken = Taken::parse(text)?;
    let id = match taken.id("datapoint_id")? {
        Some(id) => Some(id),
        None => taken.id("_id")?,
    };
    let missing_id = || {
        let why = "a datapoint has an id: `datapoint_id`";
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
    };
    let data_type: DataType = taken.need("data_type")?;
    let ownership_info = match taken.json("ownership_info") {
        Some(info) => info,
        None => Json::parse("{}")?,
    };
    let mut new = NewDatapoint {
        id: id.ok_or_else(missing_id)?,
        label: taken.take("label")?,
        data_type,
        ownership_info,
        data_timestamp: taken.need("data_timestamp")?,
        owner,
        value: match data_type {
            DataType::Json => taken.json_or_null("value"),
            _ => None,
        },
        fields: taken.rest(),
        store: None,
    };
    new.fields.remove("_id");
    if data_type == DataType::File {
        // What the client calls it on its own disk is nobody else's.
        new.fields.remove("path");
    }
    Ok(new)
}
