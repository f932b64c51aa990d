//! `repoctl schema presets`: collections of what other programs wrote.

use std::path::PathBuf;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{draw, table};
use repo_core::Result;
use repo_engine::presets::{ALL, Preset, named};
use serde_json::{Value as Json, json};

use crate::cli::context::Context;

/// What can be typed after `schema presets`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The preset [default: all]
    name: Option<String>,
    /// Write its schema files into this folder, so that they can be changed
    #[arg(long, value_name = "DIR", requires = "name")]
    to: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let chosen = match &self.name {
            None => ALL.to_vec(),
            Some(name) => vec![*named(name)?],
        };
        let written = match (&self.to, chosen.as_slice()) {
            (Some(folder), [preset]) => preset.write_to(folder)?,
            _ => Vec::new(),
        };
        let views = chosen.iter().map(view).collect::<Result<Vec<Json>>>()?;
        let answer = match self.to {
            None => json!({ "presets": views }),
            Some(_) => json!({ "presets": views, "written": written }),
        };
        context.output.list(&answer, &views, || {
            let listed = written.iter().map(|path| format!("\nwritten: {}", path.display()));
            format!("{}{}", human(&views), listed.collect::<String>())
        })?;
        Ok(Ending::Done)
    }
}

fn view(preset: &Preset) -> Result<Json> {
    let schemas = preset.schemas()?;
    let collections: Vec<&str> = schemas.iter().map(|s| s.collection.as_str()).collect();
    let Preset { name, program, reads, source, .. } = preset;
    Ok(json!({
        "name": name, "program": program, "reads": reads, "source": source,
        "collections": collections,
    }))
}

fn human(views: &[Json]) -> String {
    let mut table = table(&["preset", "of", "reads", "collections", "source"]);
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    for view in views {
        let names = view["collections"].as_array().into_iter().flatten().map(text);
        let collections = names.collect::<Vec<_>>().join("\n");
        let [name, program, reads, source] =
            ["name", "program", "reads", "source"].map(|key| text(&view[key]));
        table.add_row([name, program, reads, collections, source]);
    }
    draw(&table)
}
