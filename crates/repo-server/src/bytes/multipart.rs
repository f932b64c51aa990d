//! Forms that carry a file, read as they arrive: fields are bounded, the file is a stream.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest as _, Request};
use axum::http::StatusCode;
use futures_util::{StreamExt as _, TryStreamExt as _};
use repo_blob::ByteStream;
use repo_core::{Error, ErrorKind};

use crate::http::ApiError;
use crate::limits::stall_in;

/// The form in a request.
///
/// # Errors
/// 400 for what is no such form.
pub async fn form_of(request: Request) -> Result<Multipart, ApiError> {
    Multipart::from_request(request, &())
        .await
        .map_err(|error| ApiError::bad_request(error.body_text()))
}

/// The next field; nothing behind the last one.
///
/// # Errors
/// 400 for a form that breaks off, 408 for one that stops arriving, 413 for one that is too large.
pub async fn next_field(form: &mut Multipart) -> Result<Option<Field<'_>>, ApiError> {
    form.next_field().await.map_err(|error| broken(&error))
}

/// A field that is kept in memory.
///
/// # Errors
/// As [`next_field`]; `too_large` beyond so many bytes.
pub async fn small_field(
    mut field: Field<'_>,
    most: u64,
    too_large: impl FnOnce() -> ApiError,
) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        if (text.len() + piece.len()) as u64 > most {
            return Err(too_large());
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// The bytes of a field. What ends them early is an error of the same meaning.
#[must_use]
pub fn field_stream(field: Field<'_>) -> ByteStream<'_> {
    field.map_err(|error| ended(&error)).boxed()
}

fn broken(error: &MultipartError) -> ApiError {
    if let Some(stalled) = stall_in(error) {
        return stalled.into();
    }
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "LimitExceeded", "the form is too large")
                .close()
        }
        _ => ApiError::bad_request(error.body_text()).close(),
    }
}

fn ended(error: &MultipartError) -> Error {
    if let Some(stalled) = stall_in(error) {
        return stalled;
    }
    let kind = match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::LimitExceeded,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, "receive", error.body_text())
}
