//! `repoctl versions`: what an entity was, version by version.

use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{ErrorView, Failure, Outcome};
use cli_output::output::{Format, Output, cell, draw, table, write_stdout};
use repo_core::{Attribution, Error, Version};
use repo_history::{History, KnownVersion, OlderState};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use crate::cli::context::{Access, Context, collection};
use crate::cli::typed;

/// Versions that are read and printed at a time.
const PAGE: usize = 100;

/// What can be typed after `versions`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection
    collection: String,
    /// The id of the entity
    id: String,
    /// Print at most this many, from the newest down
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Print only versions below this one
    #[arg(long, value_name = "N")]
    below: Option<u64>,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let name = collection(&self.collection)?;
        let id = typed::id(&self.id)?;
        let mut below: Option<Version> = self.below.map(typed::version).transpose()?;
        let mut left = self.limit.map_or(usize::MAX, NonZeroUsize::get);
        let opened = context.open_only(Access::Read, Some(std::slice::from_ref(&name))).await?;
        let work = async {
            let history = History::of(Arc::clone(&opened.store), name.clone());
            let mut printer = Printer { output: context.output, printed: false };
            while let Some(most) = NonZeroUsize::new(left.min(PAGE)) {
                let page = match history.versions(&id, below, most).await {
                    Ok(page) => page,
                    Err(error) => return Err(printer.failed(error)),
                };
                printer.page(&page.versions)?;
                left -= most.get();
                match page.next {
                    Some(next) => below = Some(next),
                    None => break,
                }
            }
            printer.finish()?;
            Ok(Ending::Done)
        };
        opened.close_after(work).await
    }
}

/// Prints pages as they come; as JSON one array.
struct Printer {
    output: Output,
    printed: bool,
}

impl Printer {
    fn page(&mut self, versions: &[KnownVersion]) -> Outcome<()> {
        match self.output.format {
            Format::Human if versions.is_empty() => Ok(()),
            Format::Human => self.output.text(&human(versions)),
            Format::Ndjson => {
                let lines = versions.iter().map(text).collect::<Outcome<Vec<String>>>()?;
                lines.iter().try_for_each(|line| self.output.text(line))
            }
            Format::Json => {
                let mut out = String::new();
                for version in versions {
                    out.push_str(if std::mem::replace(&mut self.printed, true) {
                        ",\n"
                    } else {
                        "["
                    });
                    out.push_str(&text(version)?);
                }
                write_stdout(out.as_bytes())
            }
        }
    }

    /// Ends the array with the error that stopped it, so that it is whole.
    fn failed(self, error: Error) -> Failure {
        if self.output.format != Format::Json || !self.printed {
            return error.into();
        }
        let last = json!({ "error": ErrorView::new(&error) });
        match self.output.text(&format!(",\n{last}]")) {
            Ok(()) => Failure::Reported(error),
            Err(failure) => failure,
        }
    }

    fn finish(self) -> Outcome<()> {
        match (self.output.format, self.printed) {
            (Format::Json, true) => self.output.text("]"),
            (Format::Json, false) => self.output.text("[]"),
            _ => Ok(()),
        }
    }
}

/// A version as JSON, its document as it is stored.
fn text(known: &KnownVersion) -> Outcome<String> {
    let written = |error: serde_json::Error| Failure::writing(error.into());
    let (older, by) = match known {
        KnownVersion::Missing { first, last } => {
            return Ok(json!({ "version": first, "through": last, "missing": true }).to_string());
        }
        KnownVersion::Kept { version, by } => (version, by),
    };
    let document: Box<RawValue> = match &older.state {
        OlderState::Live { document, .. } => serde_json::from_str(document.as_str()),
        OlderState::Deleted | OlderState::Removed => serde_json::from_str("null"),
    }
    .map_err(written)?;
    let mut view = std::collections::BTreeMap::new();
    view.insert("version", json!(older.version));
    view.insert("updated_at", json!(older.updated_at));
    view.insert("deleted", Json::Bool(older.state == OlderState::Deleted));
    if older.state == OlderState::Removed {
        view.insert("removed", Json::Bool(true));
    }
    if let Some(by) = by {
        view.insert("author", json!(by.author()));
        view.insert("reason", json!(by.reason()));
    }
    let mut text = serde_json::to_string(&view).map_err(written)?;
    text.pop();
    Ok(format!("{text},\"document\":{}}}", document.get()))
}

fn human(versions: &[KnownVersion]) -> String {
    let mut table = table(&["version", "written", "by", "what it was"]);
    for known in versions {
        table.add_row(match known {
            KnownVersion::Missing { first, last } if first == last => {
                [first.to_string(), String::new(), String::new(), "not kept".to_owned()]
            }
            KnownVersion::Missing { first, last } => {
                let range = format!("{first} to {last}");
                [range, String::new(), String::new(), "not kept".to_owned()]
            }
            KnownVersion::Kept { version: older, by } => {
                let what = match &older.state {
                    OlderState::Live { document, .. } => cell(document.as_str()),
                    OlderState::Deleted => "deleted".to_owned(),
                    OlderState::Removed => "removed by retention".to_owned(),
                };
                let by = by.as_ref().map(who).unwrap_or_default();
                [older.version.to_string(), older.updated_at.to_string(), by, what]
            }
        });
    }
    draw(&table)
}

/// Who, and why in brackets.
fn who(by: &Attribution) -> String {
    let text = match (by.author(), by.reason()) {
        (Some(author), Some(reason)) => format!("{author} ({reason})"),
        (Some(author), None) => author.to_owned(),
        (None, reason) => format!("({})", reason.unwrap_or_default()),
    };
    cell(&text)
}
