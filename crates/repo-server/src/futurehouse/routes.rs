//! The routes below `/v0.1`.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{datasets, entries, multipart, revisions, search};
use crate::auth::{Need, Read};
use crate::state::App;

/// The routes.
pub fn data_routes(app: Arc<App>) -> Router {
    let entry = get(entries::read).patch(entries::patch).delete(entries::delete);
    let storage = Router::new()
        .route("/data-entries", post(entries::create))
        .route("/data-entries/{id}", entry)
        .route("/data-entries/{id}/status", get(entries::status))
        .route("/data-entries/{id}/revisions", get(revisions::list))
        .route("/data-entries/{id}/multipart-upload/initiate", post(multipart::initiate))
        .route("/datasets", post(datasets::create))
        .route("/datasets/{id}", get(datasets::read).delete(datasets::delete))
        .route("/search", post(search::search))
        .route("/similarity-search", post(search::similarity));
    Router::new()
        .route("/v0.1/organizations", get(organizations))
        .nest("/v0.1/data-storage", storage)
        .with_state(app)
}

/// The route that joins parts and hashes the whole: how long that takes depends on the bytes.
pub fn joining_routes(app: Arc<App>) -> Router {
    let path = "/v0.1/data-storage/data-entries/{id}/multipart-upload/complete";
    Router::new().route(path, post(multipart::complete)).with_state(app)
}

/// The one organisation that there is.
async fn organizations(_: Need<Read>) -> Json<Value> {
    Json(json!([{ "name": "local" }]))
}
