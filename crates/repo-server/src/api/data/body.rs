//! Bodies and parameters of these routes.

use axum::http::{HeaderMap, StatusCode};
use repo_core::Error;
use repo_data::model::Json;
use repo_data::{PageRequest, Refusal};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use utoipa::IntoParams;

use crate::http::{ApiError, read_json};

/// Longest `Idempotency-Key`, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// Reads JSON whose values may be kept.
///
/// # Errors
/// 400 for text that is no JSON; 422 for JSON that does not fit, or that no store keeps: a key
/// that stands twice, U+0000, too many digits.
pub(super) fn read_checked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let read = read_json(bytes)?;
    let text =
        std::str::from_utf8(bytes).map_err(|_| ApiError::bad_request("the body is not UTF-8"))?;
    Json::parse(text)
        .map_err(|error| ApiError::from(error).with_status(StatusCode::UNPROCESSABLE_ENTITY))?;
    Ok(read)
}

/// A field whose null means something: it is told from one that is not there.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What names a creation that may be repeated.
///
/// # Errors
/// 400 for a key that is empty, too long or no text.
pub(in crate::api) fn creation_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let text = given.to_str().ok().filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    let why = "an Idempotency-Key has 1 to 255 bytes";
    text.map(|text| Some(text.to_owned())).ok_or_else(|| ApiError::bad_request(why))
}

/// The error of a creation. Another request under a key is 422, as it is for documents.
pub(in crate::api) fn creation_error(error: Error, keyed: bool) -> ApiError {
    if keyed && Refusal::of(&error) == Some(Refusal::OtherContent) {
        let why = "this Idempotency-Key was used for another request";
        return ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
            .remedy("send another key with another request");
    }
    ApiError::from(error)
}

/// A page of a list.
#[derive(Debug, Default, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct PageParams {
    /// Most items, 1 to 1,000; 100 without it.
    pub(super) limit: Option<usize>,
    /// Where the last page ended: its `next`.
    pub(super) cursor: Option<String>,
}

impl PageParams {
    /// As the data service takes it.
    pub(super) fn request(self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor }
    }
}

/// 422 for a body that says what cannot be.
pub(super) fn unfit(why: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
}
