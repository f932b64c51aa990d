//! `repoctl aggregate`: groups of entities, and what is computed of each.

mod arguments;
mod printed;

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::strategy::StorageStrategy;
use repo_core::{Aggregation, CollectionName};

pub use arguments::Arguments;

/// Asks the store, and prints its answer.
///
/// # Errors
/// Those of [`StorageStrategy::aggregate`], and what cannot be printed.
pub async fn run(
    output: Output,
    store: &dyn StorageStrategy,
    collection: &CollectionName,
    asked: &Aggregation,
) -> Outcome<Ending> {
    let answer = store.aggregate(collection, asked).await?;
    printed::print(output, collection, asked, &answer)?;
    Ok(Ending::Done)
}
