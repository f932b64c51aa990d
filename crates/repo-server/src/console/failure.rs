//! An error as a page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::frame::{bare, respond, said};
use crate::http::ApiError;

/// An error as a page.
#[derive(Debug)]
pub(super) struct Failure(ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<repo_core::Error> for Failure {
    fn from(error: repo_core::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            status if status.is_server_error() => "The server has a problem",
            _ => "This cannot be done",
        };
        let markup = bare(
            title,
            &html! {
                h1 { (title) }
                (said(&self.0))
                p { a href="/console" { "To the stores" } }
            },
        );
        respond(status, &markup)
    }
}
