//! Errors, with the field that these clients print.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::ApiError;

/// An error of the one shape, with `message` beside it.
#[derive(Debug)]
pub(super) struct Told(pub(super) ApiError);

impl<E: Into<ApiError>> From<E> for Told {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let mut body = self.0.body();
        body.insert("message".to_owned(), json!(self.0.message()));
        self.0.with_body(body)
    }
}
