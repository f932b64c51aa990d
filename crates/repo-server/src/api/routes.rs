//! The routes of the server's own API, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::post;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::data::{
    content, create, datapoints, datasets, deletion, entries, holds, members, revisions, usage,
};
use super::tus::{create as begin, pieces, speak};
use super::{bulk, collections, documents, export, history, query};
use crate::state::App;

/// What the OpenAPI document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Data service", description = "Documents of any collection, and entries, \
        datasets and datapoints with their bytes, with versions as ETags. Errors are \
        `{\"error\": {\"kind\", \"message\", \"remedy\"}}`."),
    tags((name = "collections"), (name = "documents"), (name = "history"), (name = "entries"),
        (name = "datasets"), (name = "datapoints"), (name = "uploads"), (name = "usage"))
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
        .routes(routes!(entries::list, create::create))
        .routes(routes!(entries::read, entries::patch, deletion::delete_entry))
        .routes(routes!(deletion::restore_entry))
        .routes(routes!(holds::place_on_entry, holds::release_entry))
        .routes(routes!(revisions::list))
        .routes(routes!(datasets::list, datasets::create))
        .routes(routes!(datasets::read, datasets::patch, deletion::delete_dataset))
        .routes(routes!(deletion::restore_dataset))
        .routes(routes!(holds::place_on_dataset, holds::release_dataset))
        .routes(routes!(datapoints::list))
        .routes(routes!(datapoints::read, deletion::delete_datapoint))
        .routes(routes!(deletion::restore_datapoint))
        .routes(routes!(holds::place_on_datapoint, holds::release_datapoint))
        .routes(routes!(usage::usage))
}

/// The routes whose bytes may take their time.
fn described_transfers() -> OpenApiRouter<Arc<App>> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(begin::offer, begin::create))
        .routes(routes!(pieces::look, pieces::append, pieces::terminate))
        .route("/api/v1/uploads/{id}", post(pieces::overridden).options(begin::offer))
        .layer(from_fn(speak));
    OpenApiRouter::new()
        .routes(routes!(content::content))
        .routes(routes!(members::members))
        .routes(routes!(datapoints::value))
        .merge(uploads)
}

/// The routes that are answered at once.
pub fn api_routes(app: Arc<App>) -> Router {
    let (router, _) = described().with_state(app).split_for_parts();
    router
}

/// The routes whose bytes may take their time.
pub fn transfer_routes(app: Arc<App>) -> Router {
    let (router, _) = described_transfers().with_state(app).split_for_parts();
    router
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().merge(described_transfers()).into_openapi()
}
