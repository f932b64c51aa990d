//! A migration from within a program, with a progress of its own.
//!
//! ```text
//! cargo run --bin migration -- json:examples/host-factory/data sqlite:moved.db
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use repo_core::strategy::{MemoryFactory, OpenOptions, Registry, StorageStrategy};
use repo_core::{CollectionName, Error, ErrorKind, Result, Schemas};
use repo_migrate::{MigrationOptions, Outcome, Phase, Progress, Remedy, migrate};

/// One line for each phase, with the records of the one before.
#[derive(Debug, Default)]
struct Lines {
    records: AtomicU64,
}

impl Progress for Lines {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        self.records.store(0, Ordering::Relaxed);
        match total {
            Some(total) => println!("{} {total} records", phase.label()),
            None => println!("{}", phase.label()),
        }
    }

    fn advance(&self, _collection: &CollectionName, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    fn warning(&self, text: &str) {
        println!("note: {text}");
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let [from, to] = named()?;
    let schemas = Arc::new(Schemas::load_dir("schemas/collections".as_ref())?);
    let source = open(&from, &schemas, true).await?;
    let target = open(&to, &schemas, false).await?;

    let progress = Lines::default();
    let options = MigrationOptions { backup: None, ..MigrationOptions::default() };
    let moved = migrate(&source, &target, &schemas, &options, &progress).await;
    source.close().await?;
    target.close().await?;

    match moved {
        Ok(report) => {
            let verified = report.outcome == Outcome::Verified;
            println!("{} records, verified: {verified}", report.totals.read);
            Ok(())
        }
        // What can be done is a type: this program has no flags to name.
        Err(error) => {
            if let Some(Remedy::ChooseOnConflict) = error.remedy_as() {
                println!("the target holds other records; name an empty one");
            }
            Err(error)
        }
    }
}

fn named() -> Result<[String; 2]> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    given.try_into().map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "start", "two stores are to be named")
            .hint("migration SOURCE TARGET, for example json:data sqlite:moved.db")
    })
}

async fn open(
    url: &str,
    schemas: &Arc<Schemas>,
    read_only: bool,
) -> Result<Arc<dyn StorageStrategy>> {
    let registry = Registry::new()
        .with(MemoryFactory)
        .with(repo_json::JsonFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_sql::PostgresFactory)
        .with(repo_dynamo::DynamoFactory);
    let (factory, settings) = registry.by_url(url)?;
    let options =
        OpenOptions::default().with_read_only(read_only).with_schemas(Arc::clone(schemas));
    factory.open(&settings, options).await
}
