//! All routes, and what stands before them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api::{api_routes, docs_routes, transfer_routes};
use crate::auth::{authenticate, login_routes};
use crate::console::{console_routes, console_upload_routes};
use crate::futurehouse::{data_routes, joining_routes, signed_routes};
use crate::http::ApiError;
use crate::limits::{
    BodyLimit, Permits, limit_body, limit_time, limit_uploads, linger, one_of_many,
};
use crate::madsci::{datapoint_routes, file_routes};
use crate::ops::{MetricsPage, health_routes, metrics_routes, observe};
use crate::state::App;

/// Headers that every answer has unless its route says otherwise.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Everything that the server answers.
pub fn router(app: &Arc<App>, metrics: MetricsPage) -> Router {
    let limits = &app.config.limits;
    let idle = limits.idle_timeout_ms.get();
    let json = BodyLimit { bytes: limits.max_json_bytes.get(), idle };
    let short = Router::new()
        .merge(api_routes(Arc::clone(app)))
        .merge(health_routes(Arc::clone(app)))
        .merge(metrics_routes(metrics))
        .merge(docs_routes())
        .merge(login_routes(Arc::clone(&app.gate)))
        .merge(datapoint_routes(Arc::clone(app)))
        .merge(data_routes(Arc::clone(app)))
        .merge(console_routes(app))
        .layer(from_fn_with_state(limits.request_timeout_ms.get(), limit_time))
        .layer(from_fn_with_state(json, limit_body));
    // After it the sweeper takes what a request still writes for left alone, and forgets it.
    let longest = app.data.options().pending_expiry;
    let uploads = Permits::new(limits.max_uploads.get());
    // Its bodies are small; its answers take as long as the bytes that it joins.
    let joining = joining_routes(Arc::clone(app))
        .layer(from_fn_with_state(longest, limit_time))
        .layer(from_fn_with_state(json, limit_body))
        .layer(from_fn_with_state(uploads.clone(), limit_uploads));
    let upload = BodyLimit { bytes: limits.max_upload_bytes.get(), idle };
    let long = Router::new()
        .merge(transfer_routes(Arc::clone(app)))
        .merge(file_routes(Arc::clone(app)))
        .merge(signed_routes(Arc::clone(app)))
        .merge(console_upload_routes(app))
        .layer(from_fn_with_state(longest, limit_time))
        .layer(from_fn_with_state(upload, limit_body))
        .layer(from_fn_with_state(uploads, limit_uploads));
    let routes = short
        .merge(joining)
        .merge(long)
        .fallback(async || ApiError::not_found("there is no such route"))
        .method_not_allowed_fallback(async || {
            let why = "this route does not know the method";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Invalid", why)
        });
    guarded(routes, app)
}

/// What stands before every route; the last one is the outermost.
fn guarded(routes: Router, app: &Arc<App>) -> Router {
    let permits = Permits::new(app.config.limits.max_requests.get());
    let mut routes = routes
        .layer(from_fn_with_state(Arc::clone(&app.gate), authenticate))
        .layer(from_fn_with_state(permits, one_of_many))
        .layer(CatchPanicLayer::custom(panicked));
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        routes = routes.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    routes.layer(from_fn(observe)).layer(from_fn(linger))
}

/// The answer after a panic: a mistake of ours, which ends one request and not the server.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request panicked");
    let why = "the server made a mistake";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected", why).into_response()
}
