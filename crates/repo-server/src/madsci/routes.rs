//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::{query, read, settings, submit};
use crate::state::App;

/// The routes that are answered at once.
pub fn datapoint_routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/datapoint/{id}", get(read::read))
        .route("/datapoints", get(read::list))
        .route("/datapoints/query", post(query::query))
        .route("/settings", get(settings::settings))
        .with_state(app)
}

/// The routes whose bytes may take their time.
pub fn file_routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/datapoint", post(submit::submit))
        .route("/datapoint/{id}/value", get(read::value))
        // The limits of the server stand before it.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}
