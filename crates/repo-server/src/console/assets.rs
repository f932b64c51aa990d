//! The style, the icon, and htmx 2.0.10 as it was released (0BSD).

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::failure::Failure;
use crate::http::ApiError;

const STYLE: &str = include_str!("assets/console.css");
const ICON: &str = include_str!("assets/icon.svg");
const SCRIPT: &str = include_str!("assets/htmx.min.js");

/// Gives one.
pub(super) async fn asset(
    Path((version, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let (kind, text) = match (version.as_str(), name.as_str()) {
        (env!("CARGO_PKG_VERSION"), "console.css") => ("text/css; charset=utf-8", STYLE),
        (env!("CARGO_PKG_VERSION"), "icon.svg") => ("image/svg+xml", ICON),
        (env!("CARGO_PKG_VERSION"), "htmx.js") => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return Err(ApiError::not_found("there is no such file").into()),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    Ok((headers, text).into_response())
}
