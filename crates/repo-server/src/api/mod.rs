//! The server's own API over every collection: `/api/v1`.

mod answer;
mod bulk;
mod collections;
mod docs;
mod documents;
mod export;
mod history;
mod idempotency;
mod query;
mod routes;
mod visibility;

pub use answer::{json_text, tagged};
pub use collections::{Collection, visible_collections};
pub use docs::docs_routes;
pub use idempotency::{
    COLLECTION as IDEMPOTENCY, Once, remove_expired, schema as idempotency_schema,
};
pub use query::{QueryParams, parse_filter};
pub use routes::{api_routes, openapi};
pub use visibility::{visible, writable};
