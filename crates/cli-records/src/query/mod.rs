//! `repoctl query`: with `--limit` one page and the cursor of the next,
//! without it every match, streamed; or how the store finds them.

mod arguments;
mod explain;
mod printer;

use std::sync::Arc;

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use cli_output::render::Columns;
use repo_core::CollectionSchema;
use repo_core::strategy::StorageStrategy;

use arguments::Kind;
pub use arguments::{Arguments, Question};
use printer::Printer;

/// Asks the store, and prints its answer.
///
/// # Errors
/// Those of [`StorageStrategy::query`] and [`StorageStrategy::analyze`], of a history that is
/// asked, and what cannot be printed.
pub async fn run(
    output: Output,
    store: &Arc<dyn StorageStrategy>,
    schema: &CollectionSchema,
    asked: &Question,
) -> Outcome<Ending> {
    let query = &asked.query;
    let columns = Columns::new(schema, query.order().map(|order| &order.path));
    let printer = Printer::new(output, schema, columns);
    match asked.kind {
        Kind::Plan => explain::plan(output, &**store, &schema.collection, query).await?,
        Kind::Analysis => explain::analysis(output, &**store, schema, query).await?,
        Kind::Entities => printer.pages(&**store, query).await?,
        Kind::AsOf(time) => printer.at(store, query, time).await?,
    }
    Ok(Ending::Done)
}
