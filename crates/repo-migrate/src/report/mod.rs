//! What a run reports at its end.

mod migration;
pub(crate) mod run_report;
mod schema;

pub use migration::*;
pub use schema::{manifest_schema, report_schema};
