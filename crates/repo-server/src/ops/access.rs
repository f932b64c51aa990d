//! One line and one count for each request: its route and how it ended. Neither holds an id, a
//! query or a header, so neither holds a secret.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::Label;

/// Logs and counts a request. `repo_http_requests_total` has the labels `method`, `route` and
/// `status`; `repo_http_request_duration_seconds` is until the answer begins.
pub async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let gauge = metrics::gauge!("repo_http_requests_in_flight");
    gauge.increment(1.0);
    let response = next.run(request).await;
    gauge.decrement(1.0);
    let seconds = begun.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    let mut labels = vec![Label::new("method", method), Label::new("route", route.clone())];
    metrics::histogram!("repo_http_request_duration_seconds", labels.clone()).record(seconds);
    labels.push(Label::new("status", status.to_string()));
    metrics::counter!("repo_http_requests_total", labels).increment(1);
    tracing::info!(target: "repo_server::access", method, route, status, ms = seconds * 1_000.0);
    response
}

/// A method as a label: a client can invent others, as many as it likes.
fn method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
