//! `repoctl schema validate`: every stored document against its collection's
//! schema, every reference against what is stored. Exit code 3 when something
//! is listed.

use clap::Args;
use futures::TryStreamExt as _;
use repo_core::strategy::{Record, ScanOptions};
use repo_core::{CollectionName, Entity, Error};
use repo_layers::DocumentValidator;
use serde::Serialize;
use serde_json::json;

use super::finding::Finding;
use super::references::References;
use crate::cli::context::{Access, Context, Opened, collection};
use crate::cli::exit_code::Ending;
use crate::cli::failure::Outcome;
use crate::cli::output::{Format, Output, cell, draw, table};

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
    let validator = DocumentValidator::new(&schema)?;
    let most = opened.store.capabilities().max_entity_bytes;
    let prepared = opened.store.collections().await?;
    let references = References::new(&schema, &prepared);
    let mut totals = Totals { collection: name.to_string(), ..Totals::default() };
    let mut records = opened.store.scan(name, ScanOptions::default()).await?;
    while let Some(batch) = records.try_next().await? {
        let records = batch.into_records()?;
        let entities: Vec<Entity> = records.into_iter().filter_map(Record::into_live).collect();
        totals.checked += entities.len() as u64;
        for entity in &entities {
            let checked = schema
                .check_document(&entity.id, &entity.document, most)
                .and_then(|()| validator.check(&entity.document));
            if let Err(error) = checked {
                totals.invalid += 1;
                report.add(invalid(entity, &error))?;
            }
        }
        for dangling in references.dangling(opened.store.as_ref(), &entities).await? {
            totals.dangling += 1;
            report.add(dangling)?;
        }
    }
    Ok(totals)
}

fn invalid(entity: &Entity, error: &Error) -> Finding {
    let reason = error.context_value("reason").unwrap_or(error.message());
    Finding {
        collection: entity.collection.to_string(),
        id: entity.id.to_string(),
        problem: "invalid",
        pointer: error.context_value("pointer").unwrap_or_default().to_owned(),
        detail: reason.to_owned(),
    }
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
        let told = json!({
            "valid": self.found == 0,
            "collections": totals,
            "findings": self.findings,
        });
        self.output.list(&told, totals, || self.human(totals))?;
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
                finding.problem.to_owned(),
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
