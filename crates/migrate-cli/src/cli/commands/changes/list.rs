//! `repoctl changes list`.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{draw, table_of_numbers};
use serde_json::{Value as Json, json};

use super::opening::open;
use crate::cli::context::Context;
use repo_feed::ConsumerStatus;

pub(super) async fn run(context: &Context) -> Outcome<Ending> {
    let (opened, consumers) = open(context).await?;
    let work = async {
        let all = consumers.list().await?;
        let views: Vec<Json> = all.iter().map(view).collect();
        let whole = json!({ "consumers": views });
        context.output.list(&whole, &views, || human(&all))?;
        Ok(Ending::Done)
    };
    opened.close_after(work).await
}

fn view(status: &ConsumerStatus) -> Json {
    json!({
        "name": status.name.as_str(),
        "position": status.position,
        "at_head": status.at_head,
        "subscribed_at": status.subscribed_at,
        "checkpoint_at": status.checkpoint_at,
        "process": status.running.map(|(process, _)| process),
        "lease_until": status.running.map(|(_, until)| until),
        "dead": status.dead,
        "max_dead": status.max_dead,
    })
}

fn human(all: &[ConsumerStatus]) -> String {
    if all.is_empty() {
        return "no consumer is subscribed".to_owned();
    }
    let mut table = table_of_numbers(&["consumer", "checkpoint", "state", "dead", "at most"], 3);
    for status in all {
        let state = match (status.running, status.at_head) {
            (Some((process, _)), _) => format!("run by process {process}"),
            (None, true) => "has everything".to_owned(),
            (None, false) => "changes wait".to_owned(),
        };
        table.add_row([
            status.name.to_string(),
            status.checkpoint_at.to_string(),
            state,
            status.dead.to_string(),
            status.max_dead.to_string(),
        ]);
    }
    draw(&table)
}
