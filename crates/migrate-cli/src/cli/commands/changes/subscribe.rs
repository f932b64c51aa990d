//! `repoctl changes subscribe` and `unsubscribe`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_feed::{Start, SubscribeOptions};
use serde_json::json;

use super::opening::{consumer, open};
use crate::cli::context::Context;

/// What can be typed after `subscribe`.
#[derive(Debug, Args)]
pub(crate) struct Subscribe {
    /// The name of the consumer: letters, digits, `-`, `_` and `.`
    name: String,
    /// Begin with the oldest change that the store still keeps, not with what is
    /// written from now on
    #[arg(long)]
    oldest: bool,
    /// How many dead letters it may have before it stops
    #[arg(long, value_name = "N", default_value_t = SubscribeOptions::default().max_dead)]
    max_dead: usize,
}

impl Subscribe {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = consumer(&self.name)?;
        let start = if self.oldest { Start::Oldest } else { Start::Head };
        let (opened, consumers) = open(context).await?;
        let work = async {
            let options =
                SubscribeOptions::default().with_start(start).with_max_dead(self.max_dead);
            consumers.subscribe(&name, options).await?;
            let answer = json!({ "subscribed": name.as_str(), "max_dead": self.max_dead });
            context.output.result(&answer, || {
                format!(
                    "{name} is subscribed: changes are captured from now on; `repoctl changes \
                     follow {name}` prints them"
                )
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

/// What can be typed after `unsubscribe`.
#[derive(Debug, Args)]
pub(crate) struct Unsubscribe {
    /// The name of the consumer
    name: String,
}

impl Unsubscribe {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = consumer(&self.name)?;
        let (opened, consumers) = open(context).await?;
        let work = async {
            consumers.unsubscribe(&name).await?;
            let capture = opened.store.store_record().await?.capture;
            let answer =
                json!({ "unsubscribed": name.as_str(), "still_captured": capture.is_on() });
            context.output.result(&answer, || match capture.is_on() {
                true => format!("{name} is removed; changes are still captured for others"),
                false => format!("{name} is removed; changes are captured no longer"),
            })?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}
