//! `repoctl live status`.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use repo_migrate::live::{self, LivePhase, LiveStatus};
use serde::Serialize;

use super::place::{Places, stores};
use crate::cli::context::Context;
use crate::cli::sides::SideArgs;

/// What can be typed after `live status`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sides: SideArgs,
}

/// The status, and what to type next.
#[derive(Debug, Serialize)]
struct Reported<'a> {
    #[serde(flatten)]
    status: &'a LiveStatus,
    next: &'static str,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let places = Places::choose(&self.sides, context, "live status")?;
        let both = places.both();
        let status = live::status(stores(&both)).await?;
        let next = next(status.phase, status.differences);
        context.output.result(&Reported { status: &status, next }, || words(&status, next))?;
        Ok(Ending::Done)
    }
}

/// What to do in a phase.
fn next(phase: LivePhase, differences: Option<u64>) -> &'static str {
    match phase {
        LivePhase::Copying => "keep `repoctl live start` running",
        LivePhase::Following if differences.is_some_and(|count| count > 0) => {
            "`repoctl live verify` names the differences; `repoctl live abort`, and begin again"
        }
        LivePhase::Following => "keep `repoctl live start` running until both are compared",
        LivePhase::Ready => "`repoctl live switch`",
        LivePhase::Fenced => "`repoctl live switch` goes on, `repoctl live abort` gives up",
        LivePhase::Decided => "`repoctl live switch`, or `live back` if that was on its way",
        LivePhase::Switched => "`repoctl live finish`, or `repoctl live back`",
        _ => "use the newest version of this program",
    }
}

fn words(status: &LiveStatus, next: &str) -> String {
    let phase = match status.phase {
        LivePhase::Copying => "copying",
        LivePhase::Following => "following",
        LivePhase::Ready => "ready",
        LivePhase::Fenced => "fenced",
        LivePhase::Decided => "decided",
        LivePhase::Switched => "switched",
        _ => "unknown",
    };
    let side = |name: &str, side: &live::SideStatus| {
        format!("{name}     {}: {}, epoch {}", side.store, side.role.as_str(), side.epoch)
    };
    let compared = match (status.verified_at, status.differences) {
        (Some(at), Some(count)) => format!("{at}, {count} differences"),
        _ => "not yet".to_owned(),
    };
    let lines = [
        format!("phase      {phase}"),
        side("source", &status.source),
        side("target", &status.target),
        format!("since      {}", status.started_at),
        format!("behind     {} changes", status.behind),
        format!("compared   {compared}"),
        format!("next       {next}"),
    ];
    lines.join("\n")
}
