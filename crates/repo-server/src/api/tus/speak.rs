//! What stands before every route of tus: the version of the protocol.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::headers::{RESUMABLE, SPOKEN, VERSION};
use crate::http::ApiError;

/// Refuses another version of the protocol, and says in every answer which one is spoken.
pub(in crate::api) async fn speak(request: Request, next: Next) -> Response {
    let fits = request.headers().get(RESUMABLE).is_some_and(|given| *given == SPOKEN);
    let mut response = if fits || *request.method() == Method::OPTIONS {
        next.run(request).await
    } else {
        let why = "uploads speak tus 1.0.0 here";
        let error = ApiError::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", why)
            .remedy("send `Tus-Resumable: 1.0.0`")
            .close();
        let mut refused = error.into_response();
        refused.headers_mut().insert(VERSION, SPOKEN);
        refused
    };
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, SPOKEN);
    headers.entry("cache-control").or_insert(HeaderValue::from_static("no-store"));
    response
}
