//! How a store finds what a query asks for.

use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, Plan, Query};
use serde_json::json;

/// Prints by which index, or that everything is read.
pub(super) async fn plan(
    output: Output,
    store: &dyn StorageStrategy,
    name: &CollectionName,
    query: &Query,
) -> Outcome<()> {
    let query = if query.has_limit() { query.clone() } else { query.clone().limit(1)? };
    let plan = store.query(name, &query).await?.plan;
    let answer = json!({ "collection": name, "plan": plan });
    output.result(&answer, || match &plan {
        Plan::Index { name } => format!("by the index {name}"),
        Plan::Scan => format!("by reading all of {name}"),
    })
}
