//! What is answered about an upload.

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use repo_data::UploadProgress;

use super::headers::{ENTRY, EXPIRES, LENGTH, OFFSET, date};

/// Says how far an upload is, for which entry, and until when it waits.
pub(super) fn with_progress(mut response: Response, progress: &UploadProgress) -> Response {
    let headers = response.headers_mut();
    headers.insert(OFFSET, HeaderValue::from(progress.offset));
    if let Some(total) = progress.total {
        headers.insert(LENGTH, HeaderValue::from(total));
    }
    with_text(&mut response, ENTRY, progress.entry.as_str());
    if progress.complete.is_none()
        && let Some(date) = date(progress.expires_at)
    {
        response.headers_mut().insert(EXPIRES, date);
    }
    response
}

/// Adds a header, unless its text cannot be one.
pub(super) fn with_text(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}
