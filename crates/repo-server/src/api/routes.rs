//! The routes of the server's own API, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{bulk, collections, documents, export, history, query};
use crate::state::App;

/// What the OpenAPI document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Data service", description = "Documents of any collection, with versions as \
        ETags. Errors are `{\"error\": {\"kind\", \"message\", \"remedy\"}}`."),
    tags((name = "collections"), (name = "documents"), (name = "history"))
)]
struct Described;

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(collections::list))
        .routes(routes!(collections::make))
        .routes(routes!(collections::count))
        .routes(routes!(query::by_url, documents::create))
        .routes(routes!(query::by_body))
        .routes(routes!(documents::read, documents::put, documents::delete))
        .routes(routes!(bulk::bulk))
        .routes(routes!(export::export))
        .routes(routes!(history::versions))
        .routes(routes!(history::version))
        .routes(routes!(history::diff))
        .routes(routes!(history::restore))
}

/// The routes.
pub fn api_routes(app: Arc<App>) -> Router {
    let (router, _) = described().with_state(app).split_for_parts();
    router
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}
