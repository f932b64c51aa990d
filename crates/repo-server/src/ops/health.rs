//! `/health`: whether the process runs, and whether its store is sound.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use repo_core::HealthDepth;
use serde_json::json;

use crate::state::App;

/// The routes.
pub fn health_routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(async || Json(json!({ "alive": true }))))
        .with_state(app)
}

/// 200 where the store is sound and the server goes on, else 503. Who may not read learns no
/// more than that.
async fn health(
    State(app): State<Arc<App>>,
    caller: axum::Extension<crate::auth::Caller>,
) -> Response {
    let stopping = *app.stopping.borrow();
    let found = app.store.health(&HealthDepth::Quick).await;
    let sound = found.as_ref().is_ok_and(repo_core::Health::is_ok);
    let healthy = sound && !stopping;
    let description = match (sound, stopping) {
        (true, false) => "The server and its store are well.",
        (true, true) => "The server is about to stop.",
        (false, _) => "The store is not sound.",
    };
    // The names are those that the clients of MADSci read.
    let mut answer = json!({
        "healthy": healthy,
        "description": description,
        "version": env!("CARGO_PKG_VERSION"),
        "db_connected": found.is_ok(),
    });
    if caller.0.need(crate::auth::Scope::Read).is_ok() {
        answer["checks"] = match &found {
            Ok(health) => json!(health.checks),
            Err(error) => json!([{ "name": "store", "ok": false, "detail": error.message() }]),
        };
        for (name, value) in app.more_health().await {
            answer[name] = value;
        }
    }
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer)).into_response()
}
