//! The server's own API: `/api/v1`. Documents of every collection, and what the data service
//! keeps.

mod answer;
mod bulk;
mod collections;
mod data;
mod docs;
mod documents;
mod export;
mod history;
mod idempotency;
mod query;
mod routes;
mod tus;
mod visibility;

pub use answer::{json_text, tagged};
pub use collections::{Collection, visible_collections};
pub use docs::docs_routes;
pub use idempotency::{
    COLLECTION as IDEMPOTENCY, Once, remove_expired, schema as idempotency_schema,
};
pub use query::{QueryParams, parse_filter};
pub use routes::{api_routes, openapi, transfer_routes};
pub use visibility::{visible, writable};
