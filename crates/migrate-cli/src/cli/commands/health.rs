//! `repoctl health`: exit code 1 when the store is not sound.

use repo_core::Health;
use serde_json::json;

use crate::cli::context::{Access, Context};
use crate::cli::exit_code::{Ending, FAILED};
use crate::cli::failure::Outcome;
use crate::cli::output::{cell, draw, table};

pub(crate) async fn run(context: &Context) -> Outcome<Ending> {
    let opened = context.open(Access::Read).await?;
    let work = async {
        let health = opened.store.health().await?;
        let location = opened.store.location();
        let told = json!({
            "store": location,
            "healthy": health.is_ok(),
            "checks": health.checks,
            "capabilities": opened.store.capabilities(),
        });
        context.output.result(&told, || human(location, &health))?;
        Ok(if health.is_ok() { Ending::Done } else { Ending::Unsound(FAILED) })
    };
    opened.close_after(work).await
}

fn human(location: &str, health: &Health) -> String {
    let mut table = table(&["check", "", "seen"]);
    for check in &health.checks {
        let word = if check.ok { "ok" } else { "NOT OK" };
        table.add_row([check.name.to_owned(), word.to_owned(), cell(&check.detail)]);
    }
    let verdict = if health.is_ok() { "healthy" } else { "NOT healthy" };
    format!("{}\n{location} is {verdict}", draw(&table))
}
