//! The work that `scripts/bench-peers` has other programs do, done by the
//! engine: the same entities, the same steps, the same figures.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _, StrategyFactory};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, ErrorKind, Filter, Key,
    Precondition, Query, Result, Schemas, Write,
};
use repo_migrate::{MigrationOptions, Outcome, Silent, migrate};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// How often an operation is measured; the median counts.
const TIMES: usize = 101;
/// How often a copy is, of so many entities.
const COPIES: usize = 5;
const COPIED: usize = 10_000;

/// Seconds by what was done: `save`, `find`, …
type Figures = BTreeMap<&'static str, f64>;

/// The figures of one run.
#[derive(Debug, Serialize)]
pub struct PeerFigures {
    /// By how many entities the store holds.
    json: BTreeMap<String, Figures>,
    sqlite: BTreeMap<String, Figures>,
    /// JSON to SQLite with backup and full verification.
    copy_10000: f64,
    /// The driver alone inserting the same 10,000 documents, into the table that
    /// ours made and into one without checks and indexes.
    driver_10000: f64,
    driver_bare_10000: f64,
}

/// Does all of it in stores below `folder`.
///
/// # Errors
/// What a store refuses.
pub async fn peers(folder: &Path) -> Result<PeerFigures> {
    let (mut json, mut sqlite) = (BTreeMap::new(), BTreeMap::new());
    for count in [100, 1_000, 10_000, 100_000] {
        let place = folder.join(format!("json-{count}"));
        let settings = json!({ "base_path": place });
        let figures = measured(&repo_json::JsonFactory, &settings, count).await?;
        json.insert(count.to_string(), figures);
        if count <= 10_000 {
            let file = folder.join(format!("{count}.db"));
            let settings = json!({ "name": file });
            let figures = measured(&repo_sql::SqliteFactory, &settings, count).await?;
            sqlite.insert(count.to_string(), figures);
        }
    }
    let documents = (0..COPIED).map(document).collect::<Result<Vec<_>>>()?;
    let file = folder.join("prepared.db");
    let prepared = open(&repo_sql::SqliteFactory, &json!({ "name": file }), false).await?;
    prepared.prepare(&schemas()?.iter().cloned().collect::<Vec<_>>()).await?;
    prepared.close().await?;
    Ok(PeerFigures {
        json,
        sqlite,
        copy_10000: copied(folder, &documents).await?,
        driver_10000: inserted(folder, Some(&file), &documents)?,
        driver_bare_10000: inserted(folder, None, &documents)?,
    })
}

type Store = Arc<dyn StorageStrategy>;

fn schemas() -> Result<Schemas> {
    let schema = r#"{"x-repository": {"collection": "machines", "idField": "id",
        "indexes": [["template_id"]]}}"#;
    Ok(std::iter::once(CollectionSchema::parse(schema)?).collect())
}

async fn open(factory: &dyn StrategyFactory, settings: &Json, read_only: bool) -> Result<Store> {
    let schemas = Arc::new(schemas()?);
    factory
        .open(settings, OpenOptions::default().with_read_only(read_only).with_schemas(schemas))
        .await
}

fn collection() -> Result<CollectionName> {
    CollectionName::new("machines")
}

fn id(number: usize) -> String {
    format!("m-{number:07}")
}

/// About 600 bytes, as the other side has them.
fn document(number: usize) -> Result<Document> {
    let note = format!("a note that is as long as notes are, {:08}; ", number * 7_919);
    let status = if number.is_multiple_of(3) { "stopped" } else { "running" };
    Document::parse(
        &json!({
            "id": id(number), "status": status, "template_id": format!("t-{}", number % 20),
            "payload": note.repeat(12),
        })
        .to_string(),
    )
}

async fn save(store: &Store, number: usize) -> Result<()> {
    let key = Key::new(collection()?, EntityId::new(&id(number))?);
    store.commit(vec![Write::put(key, document(number)?, Precondition::Any)]).await?;
    Ok(())
}

async fn find(store: &Store, number: usize) -> Result<()> {
    let found = store.get(&collection()?, &EntityId::new(&id(number))?).await?;
    found.map(drop).ok_or_else(|| Error::new(ErrorKind::NotFound, "find", "it is not there"))
}

async fn measured(factory: &dyn StrategyFactory, settings: &Json, count: usize) -> Result<Figures> {
    let store = open(factory, settings, false).await?;
    store.prepare(&schemas()?.iter().cloned().collect::<Vec<_>>()).await?;
    let mut figures = Figures::new();
    let began = Instant::now();
    for start in (0..count).step_by(1_000) {
        let write = |number| -> Result<Write> {
            let key = Key::new(collection()?, EntityId::new(&id(number))?);
            Ok(Write::put(key, document(number)?, Precondition::Any))
        };
        let writes = (start..count.min(start + 1_000)).map(write).collect::<Result<_>>()?;
        store.commit(writes).await?;
    }
    figures.insert("bulk", began.elapsed().as_secs_f64());
    // What the bulk left to do in the background is not part of a save.
    store.close().await?;
    let store = &open(factory, settings, false).await?;
    figures.insert("save", median(TIMES, async |at| save(store, at % count).await).await?);
    figures.insert("find", median(TIMES, async |at| find(store, at % count).await).await?);
    let both = async |at: usize| {
        save(store, at % count).await?;
        find(store, at % count).await
    };
    figures.insert("save_then_find", median(TIMES, both).await?);
    let criteria = Filter::parse(r#"{"template_id": "t-7"}"#)?;
    let all = async |_| {
        let mut query = Query::new(criteria.clone());
        let mut found = 0;
        loop {
            let page = store.query(&collection()?, &query).await?;
            found += page.entities.len();
            match page.next {
                Some(cursor) => query = Query::new(criteria.clone()).after(cursor),
                None => break,
            }
        }
        let expected = count / 20;
        if found == expected {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Corrupt, "query", "another number was found")
            .with("found", found))
    };
    figures.insert("criteria", median(3, all).await?);
    store.close().await?;
    Ok(figures)
}

/// The median of so many times, in seconds.
async fn median<F: Future<Output = Result<()>>>(
    times: usize,
    mut work: impl FnMut(usize) -> F,
) -> Result<f64> {
    let mut taken: Vec<Duration> = Vec::with_capacity(times);
    for at in 0..times {
        let began = Instant::now();
        work(at).await?;
        taken.push(began.elapsed());
    }
    taken.sort_unstable();
    Ok(taken.get(times / 2).map_or(0.0, Duration::as_secs_f64))
}

/// What an operator does: a file of another program into SQLite, checked,
/// backed up, copied and verified.
async fn copied(folder: &Path, documents: &[Document]) -> Result<f64> {
    let place = folder.join("copied");
    let entities: serde_json::Map<String, Json> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| {
            let value = serde_json::from_str(document.as_str());
            Ok((id(number), value.map_err(unwritable)?))
        })
        .collect::<Result<_>>()?;
    let text = json!({ "machines": entities }).to_string();
    std::fs::create_dir_all(&place)
        .and_then(|()| std::fs::write(place.join("request_database.json"), text))
        .map_err(unwritable)?;
    let copy = async |at: usize| {
        let source = open(&repo_json::JsonFactory, &json!({ "base_path": place }), true).await?;
        let file = folder.join(format!("copied-{at}.db"));
        let target = open(&repo_sql::SqliteFactory, &json!({ "name": file }), false).await?;
        let backup = Some(folder.join("backups"));
        let options = MigrationOptions { backup, ..MigrationOptions::default() };
        let report = migrate(&source, &target, &schemas()?, &options, &Silent).await?;
        target.close().await?;
        source.close().await?;
        if report.outcome == Outcome::Verified && report.totals.applied == documents.len() as u64 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Corrupt, "migrate", "not everything has arrived"))
    };
    median(COPIES, copy).await
}

/// The driver's part of a copy and no more: documents that are there already into
/// a table, in one transaction, synced as ours is. Into that of a copy of `made`,
/// or into one of its own.
fn inserted(folder: &Path, made: Option<&Path>, documents: &[Document]) -> Result<f64> {
    let mut taken = Vec::with_capacity(COPIES);
    for at in 0..COPIES {
        let file = folder.join(format!("driver-{}-{at}.db", made.is_some()));
        if let Some(made) = made {
            std::fs::copy(made, &file).map_err(unwritable)?;
        }
        taken.push(inserted_once(&file, made.is_none(), documents).map_err(unwritable)?);
    }
    taken.sort_unstable();
    Ok(taken.get(COPIES / 2).map_or(0.0, Duration::as_secs_f64))
}

fn inserted_once(file: &Path, bare: bool, documents: &[Document]) -> rusqlite::Result<Duration> {
    let mut connection = rusqlite::Connection::open(file)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    if bare {
        connection.execute_batch(
            "CREATE TABLE machines_records (id TEXT PRIMARY KEY NOT NULL, _version INTEGER, \
             _created_at INTEGER, _updated_at INTEGER, document TEXT)",
        )?;
    }
    let began = Instant::now();
    let transaction = connection.transaction()?;
    let insert = "INSERT INTO machines_records (id, _version, _created_at, _updated_at, document) \
                  VALUES (?1, 1, 0, 0, ?2)";
    let mut statement = transaction.prepare(insert)?;
    for (number, document) in documents.iter().enumerate() {
        statement.execute((id(number), document.as_str()))?;
    }
    drop(statement);
    transaction.commit()?;
    Ok(began.elapsed())
}

fn unwritable(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, "prepare the work", source.to_string()).caused_by(source)
}
