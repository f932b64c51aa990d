//! `repoctl migrate status`: what a target knows of an unfinished migration.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use serde_json::json;

use crate::cli::context::{Access, Context};
use crate::cli::sides::SideArgs;
use repo_migrate::{Unfinished, status};

/// What can be typed after `migrate status`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The kind of the target: json, sql, sqlite
    #[arg(long, value_name = "TYPE")]
    target_type: Option<String>,
    /// The configuration with the settings of the target [default: --config]
    #[arg(long, value_name = "FILE")]
    target_config: Option<PathBuf>,
    /// The target itself: json:DIR or sqlite:FILE
    #[arg(long, value_name = "URL")]
    #[arg(conflicts_with_all = ["target_type", "target_config"])]
    target: Option<String>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let (kind, file) = (self.target_type.clone(), self.target_config.clone());
        let sides = SideArgs::target(kind, file, self.target.clone());
        let (side, schemas) = sides.choose_target(context, "migrate status")?;
        let store = side.open(Access::Read, &schemas).await?;
        let found = status(&store).await;
        let closed = store.close().await;
        let found = found?;
        context.output.closed(closed);
        context.output.result(&json!({ "unfinished": found }), || match &found {
            Some(found) => human(found),
            None => "no migration into this store is unfinished".to_owned(),
        })?;
        Ok(Ending::Done)
    }
}

fn human(found: &Unfinished) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("source", &found.source);
    line("target", &found.target);
    line("begun", &format!("{}, by version {}", found.begun_at, found.tool_version));
    line("at", found.stage);
    line("held by", &held_by(found));
    if let Some(folder) = &found.backup {
        line("backup", &folder.display().to_string());
    }
    if let Some(folder) = &found.target_backup {
        line("target backup", &folder.display().to_string());
    }
    for one in &found.copied {
        let end = if one.finished { ", finished" } else { "" };
        line(one.name.as_str(), &format!("{} of {} records{end}", one.counts.read, one.of));
    }
    text.push_str(match found.stage {
        "clean_up" => "give the same command again, with --cleanup-source, to resume it\n",
        _ => "give the same command again to resume it\n",
    });
    text
}

fn held_by(found: &Unfinished) -> String {
    let Some(owner) = &found.owner else { return "nobody".to_owned() };
    let who = format!("process {} on {}", owner.process, owner.host);
    match owner.state {
        "at_work" => format!("{who}, last heard of at {}", owner.renewed_at),
        "ended" => format!("{who}, which has ended"),
        _ => format!("{who}, not heard of since {}", owner.renewed_at),
    }
}
