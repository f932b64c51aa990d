//! What operations cost, counted instead of timed: allocations, and calls of
//! the system that write. A busy machine changes none of it, so this can fail
//! in CI when an operation becomes dearer by more than a tenth.
//!
//! Counted elsewhere: one sync for a lone commit of a JSON store
//! (`repo-json`, `group.rs`), one request for a conditional write in DynamoDB
//! (`repo-dynamo`, `fault_tests/requests.rs`), and the round trips of
//! PostgreSQL (`repo-sql`, `postgres_trips.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;

use repo_bench::{COLLECTION, document_text, schema};
use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _, StrategyFactory};
use repo_core::{Document, EntityId, Filter, Key, Precondition, Schemas, Write};
use repo_migrate::{MigrationOptions, Outcome, Silent, migrate};
use serde_json::{Value as Json, json};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// What was counted when this was last written down, for one operation. When an
/// operation has become cheaper, write the new number here.
const EXPECTED: [(&str, f64); 10] = [
    ("allocations: Document::parse", 2.0),
    ("allocations: Document::digest", 2.0),
    ("allocations: Filter::matches", 1.0),
    ("allocations: json get", 10.0),
    ("allocations: json put", 24.0),
    ("writes: json put", 2.0),
    ("allocations: sqlite get", 6.0),
    ("allocations: sqlite put", 16.0),
    ("writes: sqlite put", 12.7),
    ("allocations: one more entity from json to sqlite", 48.0),
];

const TIMES: u32 = 200;

type Store = Arc<dyn StorageStrategy>;

fn allocations() -> u64 {
    dhat::HeapStats::get().total_blocks
}

/// Calls of this process that write, as Linux counts them: proc(5), `syscw`.
fn writes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap();
    line.parse().unwrap()
}

/// What one of so many operations counts; two before them make what is only
/// made once.
fn each(counter: fn() -> u64, times: u32, mut operation: impl FnMut(u32)) -> f64 {
    (0..2).for_each(&mut operation);
    let before = counter();
    (0..times).for_each(operation);
    let counted = u32::try_from(counter() - before).unwrap();
    f64::from(counted) / f64::from(times)
}

fn document(number: u32, revision: u32) -> Document {
    Document::parse(&document_text(u64::from(number), u64::from(revision))).unwrap()
}

fn of_documents() -> Vec<f64> {
    let text = document_text(7, 1);
    let parsed = document(7, 1);
    let filter =
        r#"{"status": {"$in": ["running", "stopped"]}, "metadata.spot_price": {"$lt": 2}}"#;
    let filter = Filter::parse(filter).unwrap();
    vec![
        each(allocations, TIMES, |_| drop(Document::parse(&text).unwrap())),
        each(allocations, TIMES, |_| assert_ne!(parsed.digest().as_bytes()[..8], [0; 8])),
        each(allocations, TIMES, |_| assert!(filter.matches(&parsed))),
    ]
}

/// One that does all on this thread, as far as the stores let it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(factory: &dyn StrategyFactory, settings: &Json, read_only: bool) -> Store {
    let schemas: Schemas = std::iter::once(schema().unwrap()).collect();
    let options = OpenOptions::default().with_read_only(read_only).with_schemas(Arc::new(schemas));
    runtime().block_on(factory.open(settings, options)).unwrap()
}

fn put(number: u32, revision: u32) -> Write {
    let document = document(number, revision);
    let id = schema().unwrap().id_of(&document).unwrap();
    Write::put(Key::new(COLLECTION.parse().unwrap(), id), document, Precondition::Any)
}

/// A get and a put, and the system's writes for the put.
fn of_store(store: &Store) -> Vec<f64> {
    let runtime = runtime();
    runtime.block_on(async {
        store.prepare(&[schema().unwrap()]).await.unwrap();
        let all = (0..500).map(|number| put(number, 0)).collect();
        store.commit(all).await.unwrap();
    });
    let ids: Vec<EntityId> = (0..TIMES + 2).map(|number| put(number, 0).key.id).collect();
    let collection = COLLECTION.parse().unwrap();
    let get = |at: u32| {
        let id = &ids[usize::try_from(at).unwrap()];
        assert!(runtime.block_on(store.get(&collection, id)).unwrap().is_some());
    };
    let gets = each(allocations, TIMES, get);
    let mut counts = vec![gets];
    for (revision, counter) in [(1, allocations as fn() -> u64), (2, writes)] {
        // Two more than are counted.
        let mut ready: Vec<Write> = (0..TIMES + 2).map(|at| put(at, revision)).collect();
        counts.push(each(counter, TIMES, |_| {
            let write = ready.pop().unwrap();
            runtime.block_on(store.commit(vec![write])).unwrap();
        }));
    }
    counts
}

/// What one more entity counts, whatever a migration counts by itself.
fn of_migrated_entity(folder: &Path) -> f64 {
    std::fs::create_dir(folder).unwrap();
    let [few, many] =
        [500, 1_500].map(|count| of_migration(&folder.join(count.to_string()), count));
    f64::from(u32::try_from(many - few).unwrap()) / 1_000.0
}

fn of_migration(folder: &Path, count: u32) -> u64 {
    let entities: serde_json::Map<String, Json> = (0..count)
        .map(|number| {
            let id = put(number, 0).key.id.to_string();
            (id, serde_json::from_str(document(number, 0).as_str()).unwrap())
        })
        .collect();
    std::fs::create_dir(folder).unwrap();
    let text = json!({ COLLECTION: entities }).to_string();
    std::fs::write(folder.join("request_database.json"), text).unwrap();
    let before = allocations();
    let source = open(&repo_json::JsonFactory, &json!({ "base_path": folder }), true);
    let target = open(&repo_sql::SqliteFactory, &json!({ "name": folder.join("m.db") }), false);
    let options =
        MigrationOptions { backup: Some(folder.join("backups")), ..MigrationOptions::default() };
    let schemas: Schemas = std::iter::once(schema().unwrap()).collect();
    let work = migrate(&source, &target, &schemas, &options, &Silent);
    assert_eq!(runtime().block_on(work).unwrap().outcome, Outcome::Verified);
    allocations() - before
}

#[test]
fn no_operation_has_become_dearer() {
    let _profiler = dhat::Profiler::builder().testing().trim_backtraces(Some(2)).build();
    let folder = tempfile::tempdir().unwrap();
    let mut counted = of_documents();
    let json = json!({ "base_path": folder.path().join("json") });
    counted.extend(of_store(&open(&repo_json::JsonFactory, &json, false)));
    let sqlite = json!({ "name": folder.path().join("store.db") });
    counted.extend(of_store(&open(&repo_sql::SqliteFactory, &sqlite, false)));
    counted.push(of_migrated_entity(&folder.path().join("migrated")));
    let mut dearer = Vec::new();
    for ((name, expected), counted) in EXPECTED.iter().zip(&counted) {
        println!("{counted:9.2} {name} (written down: {expected})");
        if *counted > expected * 1.1 {
            dearer.push(format!("{name}: {counted:.2}, not {expected}"));
        }
    }
    assert_eq!(EXPECTED.len(), counted.len());
    assert!(dearer.is_empty(), "dearer than written down: {dearer:#?}");
}
