//! What a datapoint holds, as an answer.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use repo_core::Value;
use repo_data::model::{DataType, Datapoint, Fields, Json};

use super::download::{Download, respond};
use crate::http::ApiError;
use crate::state::App;

/// Answers with the value of a datapoint, or with the bytes of its file or object.
///
/// # Errors
/// 404 for an object without a place, 403 for one in a bucket that is not listed; 416; those of
/// the store.
pub async fn datapoint_value(
    app: &App,
    headers: &HeaderMap,
    datapoint: &Datapoint,
) -> Result<Response, ApiError> {
    if datapoint.data_type == DataType::ObjectStorage {
        return object(app, headers, &datapoint.fields).await;
    }
    if let Some(file) = &datapoint.file {
        let about = Download::of(&file.blob, &file.name, file.content_type.as_deref());
        return respond(headers, about, async |range| {
            let opened = app.data.open_blob(&file.blob.key, range).await?;
            Ok((opened.range, opened.bytes))
        })
        .await;
    }
    let text = datapoint.value.as_ref().map_or("null", Json::as_str);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::OK, kind, Body::from(text.to_owned())).into_response())
}

/// The bytes of an object that the client stored itself, from a bucket that is listed.
async fn object(app: &App, headers: &HeaderMap, fields: &Fields) -> Result<Response, ApiError> {
    let text = |name: &str| match fields.get(name).map(Json::to_value) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (Some(bucket), Some(name)) = (text("bucket_name"), text("object_name")) else {
        return Err(ApiError::not_found("the datapoint names no bucket and object"));
    };
    let known = app.buckets.head(&bucket, &name).await?;
    let content_type = text("content_type");
    let about = Download {
        size: known.size,
        etag: known.etag,
        sha256: None,
        name: &name,
        content_type: content_type.as_deref(),
    };
    respond(headers, about, async |range| {
        app.buckets.read((&bucket, &name), known.size, range).await
    })
    .await
}
