//! What the clients of MADSci say.

mod error;
mod query;
mod read;
mod routes;
mod selector;
mod settings;
mod submit;
mod wire;

pub use routes::{datapoint_routes, file_routes};
