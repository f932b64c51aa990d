//! `repoctl health`: exit code 1 when the store is not sound.

use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::{Ending, FAILED};
use cli_output::failure::Outcome;
use cli_output::output::{cell, draw, table};
use cli_output::progress::Shown;
use cli_output::remedies::in_commands;
use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, Consistency, Filter, Health, HealthDepth};
use serde_json::json;

use crate::cli::context::{Access, Context};
use repo_migrate::{Phase, Progress as _};

/// What can be typed after `health`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Read every record, and make the database's own check of its files. A
    /// store of JSON files compares them with their digests in any case
    #[arg(long)]
    deep: bool,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let opened = context.open(Access::Read).await?;
        let work = async {
            let mut health = match self.deep {
                true => deep(&opened.store, context).await?,
                false => opened.store.health(&HealthDepth::Quick).await?,
            };
            for check in &mut health.checks {
                check.detail = in_commands(&check.detail);
            }
            report(context, &*opened.store, self.deep, &health)
        };
        opened.close_after(work).await
    }
}

async fn deep(store: &Arc<dyn StorageStrategy>, context: &Context) -> repo_core::Result<Health> {
    let shown = Arc::new(Shown::new(context.output));
    shown.phase(Phase::Check, count(&**store).await);
    let progressed = Arc::clone(&shown);
    let progress = move |name: &CollectionName, records: u64| progressed.advance(name, records);
    let health = store.health(&HealthDepth::Deep(Arc::new(progress))).await;
    shown.finish();
    health
}

/// About how many records there are, for the progress; what cannot be counted
/// is reported by the check itself.
async fn count(store: &dyn StorageStrategy) -> Option<u64> {
    let mut all = 0;
    for name in store.collections().await.ok()? {
        all += store.count(&name, &Filter::default(), Consistency::Eventual).await.ok()?;
    }
    Some(all)
}

fn report(
    context: &Context,
    store: &dyn StorageStrategy,
    deep: bool,
    health: &Health,
) -> Outcome<Ending> {
    let location = store.location();
    let answer = json!({
        "store": location,
        "healthy": health.is_ok(),
        "deep": deep,
        "checks": health.checks,
        "capabilities": store.capabilities(),
    });
    context.output.result(&answer, || human(location, health))?;
    Ok(if health.is_ok() { Ending::Done } else { Ending::Unsound(FAILED) })
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
