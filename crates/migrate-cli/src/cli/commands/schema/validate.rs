//! `repoctl schema validate`: every stored document against its collection's
//! schema, every reference against what is stored. Exit code 3 when something
//! is listed.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::{Format, Output, cell, draw, table};
use futures::TryStreamExt as _;
use repo_core::CollectionName;
use repo_core::strategy::{ScanOptions, as_stored};
use repo_migrate::{Finding, Problem, StoredCheck};
use serde::Serialize;
use serde_json::json;

use crate::cli::context::{Access, Context, Opened, collection};

/// Most findings that one report holds. Counts are exact; NDJSON has all.
const MAX_NAMED: usize = 1_000;

/// What can be typed after `schema validate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collections [default: every one in the store]
    collections: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    collection: String,
    checked: u64,
    invalid: u64,
    dangling: u64,
}

impl Arguments {
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        let named = self.named()?;
        let opened = context.open_only(Access::Read, read(context, &named)?.as_deref()).await?;
        let work = async {
            let names = match named.as_slice() {
                [] => opened.store.collections().await?,
                named => named.to_vec(),
            };
            let mut report = Report { output: context.output, findings: Vec::new(), found: 0 };
            let mut totals = Vec::new();
            for name in &names {
                totals.push(check(&opened, name, &mut report).await?);
            }
            report.finish(&totals)
        };
        opened.close_after(work).await
    }

    fn named(&self) -> repo_core::Result<Vec<CollectionName>> {
        self.collections.iter().map(|name| collection(name)).collect()
    }
}

/// The collections that are read to check these: they, and what they refer to.
/// `None` for all.
fn read(
    context: &Context,
    named: &[CollectionName],
) -> repo_core::Result<Option<Vec<CollectionName>>> {
    if named.is_empty() {
        return Ok(None);
    }
    let (_, config) = context.choose()?;
    let schemas = context.schemas(&config)?;
    let referred = |name: &CollectionName| schemas.get(name).references.into_values();
    Ok(Some(named.iter().cloned().chain(named.iter().flat_map(referred)).collect()))
}

async fn check(opened: &Opened, name: &CollectionName, report: &mut Report) -> Outcome<Totals> {
    let schema = opened.schema(name);
    let stored = StoredCheck::new(opened.store.as_ref(), &schema).await?;
    let mut totals = Totals { collection: name.to_string(), ..Totals::default() };
    let mut batches = as_stored(opened.store.scan(name, ScanOptions::default())).await?;
    while let Some(batch) = batches.try_next().await? {
        let (checked, findings) = stored.findings(batch).await?;
        totals.checked += checked;
        for finding in findings {
            match finding.problem {
                Problem::DanglingReference => totals.dangling += 1,
                _ => totals.invalid += 1,
            }
            report.add(finding)?;
        }
    }
    Ok(totals)
}

/// What was found, kept for the end or printed at once.
struct Report {
    output: Output,
    findings: Vec<Finding>,
    found: u64,
}

impl Report {
    fn add(&mut self, finding: Finding) -> Outcome<()> {
        self.found += 1;
        if self.output.format == Format::Ndjson {
            return self.output.line(&finding);
        }
        if self.findings.len() < MAX_NAMED {
            self.findings.push(finding);
        }
        Ok(())
    }

    fn finish(self, totals: &[Totals]) -> Outcome<Ending> {
        let answer = json!({
            "valid": self.found == 0,
            "collections": totals,
            "findings": self.findings,
        });
        self.output.list(&answer, totals, || self.human(totals))?;
        Ok(if self.found == 0 { Ending::Done } else { Ending::Partly })
    }

    fn human(&self, totals: &[Totals]) -> String {
        let mut sums = table(&["collection", "checked", "invalid", "dangling references"]);
        for row in totals {
            let counts = [row.checked, row.invalid, row.dangling].map(|n| n.to_string());
            sums.add_row(std::iter::once(row.collection.clone()).chain(counts));
        }
        let sums = draw(&sums);
        if self.found == 0 {
            return sums + "\nevery document is valid, every reference is met";
        }
        let mut list = table(&["entity", "problem", "at", "detail"]);
        for finding in &self.findings {
            list.add_row([
                cell(&format!("{}/{}", finding.collection, finding.id)),
                finding.problem.as_str().to_owned(),
                finding.pointer.clone(),
                cell(&finding.detail),
            ]);
        }
        let more = match self.found - self.findings.len() as u64 {
            0 => String::new(),
            more => format!("\nand {more} more; --format ndjson names all"),
        };
        format!("{}{more}\n{sums}", draw(&list))
    }
}
