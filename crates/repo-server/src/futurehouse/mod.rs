//! What the clients of FutureHouse and Edison say.

mod access;
mod answer;
mod create;
mod datasets;
mod entries;
mod error;
mod multipart;
mod range;
mod revisions;
mod routes;
mod search;
mod signed;
mod wire;

pub use crate::access::readable;
pub use routes::{data_routes, joining_routes};
pub use signed::signed_routes;
