//! Whole migrations, with backup and full verification, against reading all and
//! bulk-loading it by the raw drivers.

use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_migrate::{MigrationOptions, Outcome, Silent, migrate};
use serde_json::json;

use super::servers::unique;
use super::{postgres, sqlite};
use crate::bench::Bench;
use crate::data;
use crate::errors;
use crate::grouping::grouped;
use crate::measure::{Timed, timed, timed_here};
use crate::ours::{self, Store};
use crate::raw;
use crate::row::{Bound, Measure, Row};

static TO_SQLITE: Row = Row {
    name: "migration.json_to_sqlite",
    what: "migrate with backup and full verification",
    against: "reading by serde_json, the prepared upsert by 1,000",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(2.5)),
};
pub(super) static TO_POSTGRES: Row = Row {
    name: "migration.sqlite_to_postgresql",
    what: "migrate with backup and full verification",
    against: "one SELECT of all rows into one binary COPY",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(2.5)),
};

pub(super) static ROWS: [&Row; 2] = [&TO_SQLITE, &TO_POSTGRES];

/// Rows between the two threads of the raw side.
const IN_FLIGHT: usize = 4_096;

pub(super) async fn run(bench: &mut Bench, postgres: Option<&str>) -> Result<()> {
    if bench.wants(&TO_SQLITE) {
        json_to_sqlite(bench).await?;
    }
    match postgres {
        Some(url) if bench.wants(&TO_POSTGRES) => sqlite_to_postgres(bench, url).await,
        _ => Ok(()),
    }
}

async fn json_to_sqlite(bench: &mut Bench) -> Result<()> {
    let count = bench.scale().migrate;
    let folder = bench.path("migration-json");
    let source = open_source(&folder, false).await?;
    ours::fill(&source, count).await?;
    source.close().await?;
    let empty = sqlite::make(bench, "migration-empty.db", 0).await?;
    let backups = bench.path("migration-backups");
    let (mine, theirs) = (bench.path("migration-ours.db"), bench.path("migration-raw.db"));
    let file = folder.join(repo_json::DEFAULT_SINGLE_FILE);

    let ours = async || {
        remove_file(&mine)?;
        let target = ours::open_sqlite(&mine, false).await?;
        let time = timed(count, async {
            let source = open_source(&folder, true).await?;
            one_migration(&source, &target, &backups, count).await?;
            source.close().await
        })
        .await?;
        target.close().await?;
        remove_folder(&backups)?;
        Ok(time)
    };
    let by_hand = async || {
        sqlite::renew(&empty, &theirs)?;
        let target = raw::sqlite::Raw::open(&theirs)?;
        timed_here(count, || {
            let loaded = target.load_texts(ours::BATCH, |each| {
                raw::json::for_each_document(&file, data::COLLECTION, each)
            })?;
            errors::expect("load", count, loaded)
        })
    };
    bench.compare(&TO_SQLITE, format!("{} entities", grouped(count)), ours, by_hand).await
}

async fn sqlite_to_postgres(bench: &mut Bench, url: &str) -> Result<()> {
    let count = bench.scale().migrate;
    let file = sqlite::make(bench, "migration-source.db", count).await?;
    let backups = bench.path("migration-backups");
    let ours = async || {
        let schema = unique("ours");
        // The connections of the default settings: four workers use them.
        let target = postgres::open(url, &schema, 5).await?;
        let time = timed(count, async {
            let source = ours::open_sqlite(&file, true).await?;
            one_migration(&source, &target, &backups, count).await?;
            source.close().await
        })
        .await;
        target.close().await?;
        drop_schema(url, &schema).await?;
        remove_folder(&backups)?;
        time
    };
    let by_hand = async || {
        let schema = unique("raw");
        let made = postgres::open(url, &schema, 1).await?;
        ours::fill(&made, 0).await?;
        made.close().await?;
        let time = copy_by_hand(&file, url, &schema, count).await;
        drop_schema(url, &schema).await?;
        time
    };
    bench.compare(&TO_POSTGRES, format!("{} entities", grouped(count)), ours, by_hand).await
}

/// Reads on one thread, writes on another.
async fn copy_by_hand(file: &Path, url: &str, schema: &str, count: usize) -> Result<Timed> {
    let source = raw::sqlite::Raw::open(file)?;
    let target = raw::postgres::Raw::connect(url, schema).await?;
    timed(count, async {
        let (to, from) = tokio::sync::mpsc::channel(IN_FLIGHT);
        let reading = tokio::task::spawn_blocking(move || source.send_all(&to));
        let loaded = target.load_from(from).await?;
        reading.await.map_err(errors::raw("scan"))??;
        errors::expect("load", count, loaded)
    })
    .await
}

async fn one_migration(source: &Store, target: &Store, backups: &Path, count: usize) -> Result<()> {
    let schemas: Schemas = std::iter::once(data::schema()?).collect();
    let options =
        MigrationOptions { backup: Some(backups.to_owned()), ..MigrationOptions::default() };
    let report = Box::pin(migrate(source, target, &schemas, &options, &Silent)).await?;
    if report.outcome != Outcome::Verified {
        return Err(Error::new(ErrorKind::Corrupt, "migrate", "the migration was not verified"));
    }
    let applied = usize::try_from(report.totals.applied).unwrap_or(usize::MAX);
    errors::expect("migrate", count, applied)
}

/// A JSON store whose documents stand in its file as they are stored elsewhere,
/// so that the raw side need not rewrite them.
async fn open_source(folder: &PathBuf, read_only: bool) -> Result<Store> {
    let settings = json!({ "base_path": folder, "pretty_print": false });
    ours::open(&repo_json::JsonFactory, &settings, read_only).await
}

async fn drop_schema(url: &str, schema: &str) -> Result<()> {
    let raw = raw::postgres::Raw::connect(url, schema).await?;
    raw.run(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE")).await
}

fn remove_file(file: &Path) -> Result<()> {
    if file.exists() {
        std::fs::remove_file(file).map_err(errors::raw("remove a file"))?;
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(errors::raw("remove a folder"))?;
    }
    Ok(())
}
