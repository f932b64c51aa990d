//! Several handles, in one process and in two, and what is made where.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _, StoreUpdate};
use repo_core::{ErrorKind, Filter, Plan, Query};

use super::{Fixture, all, document, key, name, save, snapshot};
use crate::hooks::Hooks;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_in_one_process_write_side_by_side() {
    let fixture = Fixture::split();
    let first = Arc::new(fixture.prepared().await);
    let second = Arc::new(fixture.open());
    let write = |store: &Arc<crate::JsonStrategy>, prefix: &'static str| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for n in 0..100 {
                save(&store, "machines", &format!("{prefix}-{n}"), n).await;
                save(&store, "requests", "both", n).await;
                if n % 30 == 0 {
                    store.checkpoint().await.unwrap();
                }
            }
        })
    };
    let (one, two) = (write(&first, "a"), write(&second, "b"));
    one.await.unwrap();
    two.await.unwrap();
    let records = all(&first).await;
    assert_eq!(records.len(), 201);
    assert_eq!(records["requests/both"].0, 200, "no update is lost");
    assert_eq!(all(&second).await, records);
    first.close().await.unwrap();
    assert_eq!(all(&second).await, records, "the other stays open");
    second.close().await.unwrap();
    assert_eq!(all(&fixture.open_read_only()).await, records);
}

#[tokio::test]
async fn a_reader_follows_commits_and_checkpoints_of_another_handle() {
    let fixture = Fixture::single();
    let writer = fixture.prepared().await;
    let reader = fixture.open_read_only();
    let even = Query::new(Filter::parse(r#"{"status": "EVEN"}"#).unwrap());
    for n in 0..40 {
        save(&writer, "machines", &format!("m-{:02}", n % 7), n).await;
        if n % 9 == 5 {
            writer.checkpoint().await.unwrap();
        }
        let expected = all(&writer).await;
        assert_eq!(all(&reader).await, expected);
        let page = reader.query(&name("machines"), &even).await.unwrap();
        assert_eq!(page.plan, Plan::Index { name: "status-index".to_owned() });
        let is_even = |(_, document): &&(u64, Option<serde_json::Value>)| {
            document.as_ref().unwrap()["status"] == "EVEN"
        };
        assert_eq!(page.entities.len(), expected.values().filter(is_even).count(), "after {n}");
    }
}

#[tokio::test]
async fn the_better_index_is_named() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    let plan = async |filter: &str| {
        let query = Query::new(Filter::parse(filter).unwrap());
        store.query(&name("machines"), &query).await.unwrap().plan
    };
    let index = |name: &str| Plan::Index { name: name.to_owned() };
    assert_eq!(plan(r#"{"owner": "x", "n": 1}"#).await, index("owner-n-index"));
    assert_eq!(plan(r#"{"$and": [{"status": {"$in": ["A"]}}]}"#).await, index("status-index"));
    assert_eq!(plan(r#"{"n": 1}"#).await, Plan::Scan);
    assert_eq!(plan(r#"{"$or": [{"status": "A"}]}"#).await, Plan::Scan);
}

#[tokio::test]
async fn a_scan_goes_on_over_a_checkpoint() {
    use futures::TryStreamExt as _;
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    for n in 0..50 {
        save(&store, "machines", &format!("m-{n:02}"), n).await;
    }
    let options = repo_core::strategy::ScanOptions::default()
        .with_batch_size(std::num::NonZeroUsize::new(7).unwrap());
    let mut scan = store.scan(&name("machines"), options).await.unwrap();
    let mut ids = Vec::new();
    while let Some(batch) = scan.try_next().await.unwrap() {
        ids.extend(batch.records.iter().map(|record| record.id().to_string()));
        save(&store, "machines", "m-00", ids.len() as u64).await;
        store.checkpoint().await.unwrap();
    }
    assert_eq!(ids, (0..50).map(|n| format!("m-{n:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_are_made_for_their_owner_alone_and_only_by_prepare() {
    let fixture = Fixture::single();
    let missing = fixture.try_open(&fixture.path(), true, Hooks::default()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let store = fixture.open();
    let error = store.save(key("machines", "a"), document("a", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint_text().unwrap().contains("`prepare`"));
    let job = StoreUpdate::Job { expected: None, job: None };
    assert_eq!(store.update_store_record(job).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    assert!(!fixture.path().exists(), "opening and failing make nothing");
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.checkpoint().await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.path()), 0o700);
    let files = snapshot(&fixture.path());
    assert_eq!(
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        [".journal", ".lock", ".meta", "request_database.json"]
    );
    assert!(files.keys().all(|name| mode(&fixture.file(name)) == 0o600));
}

#[tokio::test]
async fn a_data_file_keeps_its_permissions() {
    let fixture = Fixture::single();
    fixture.write("request_database.json", r#"{"machines": {}}"#);
    let path = fixture.file("request_database.json");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = fixture.open();
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(fixture.json("request_database.json")["machines"]["a"]["n"], 1);
}

#[tokio::test]
async fn reading_creates_nothing() {
    let fixture = Fixture::single();
    fixture.write("request_database.json", r#"{"machines": {"a": {"id": "a"}}}"#);
    let before = snapshot(&fixture.path());
    let reader = fixture.open_read_only();
    all(&reader).await;
    reader.health(&repo_core::HealthDepth::Quick).await.unwrap();
    reader.checkpoint().await.unwrap();
    reader.store_record().await.unwrap();
    let error = reader.save(key("machines", "a"), document("a", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    reader.close().await.unwrap();
    assert_eq!(snapshot(&fixture.path()), before);
}

#[tokio::test]
async fn what_is_not_ours_stays() {
    let fixture = Fixture::single();
    std::fs::write(fixture.folder.path().join("store"), "a file").unwrap();
    let error = fixture.try_open(&fixture.path(), false, Hooks::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    let fixture = Fixture::single();
    std::fs::create_dir_all(fixture.file("request_database.json")).unwrap();
    let error = fixture.try_open(&fixture.path(), false, Hooks::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert!(fixture.file("request_database.json").is_dir());
}

#[tokio::test]
async fn an_empty_collection_stays_prepared() {
    for fixture in [Fixture::single(), Fixture::split()] {
        fixture.prepared().await.close().await.unwrap();
        for store in [fixture.open_read_only(), fixture.open()] {
            assert_eq!(store.collections().await.unwrap().len(), 2);
            assert_eq!(store.store_record().await.unwrap().collections.len(), 2);
        }
        let unprepared = all_files(&fixture);
        assert!(unprepared.iter().all(|text| text.starts_with('{')));
    }
}

fn all_files(fixture: &Fixture) -> Vec<String> {
    let data = |name: &&String| name.ends_with(".json");
    snapshot(&fixture.path()).keys().filter(data).map(|name| fixture.read(name)).collect()
}

/// Runs only as a process of its own, started by the test below.
#[tokio::test]
#[ignore = "the second process of another test"]
async fn child_process() {
    let Ok(folder) = std::env::var("JSON_TEST_FOLDER") else { return };
    let prefix = std::env::var("JSON_TEST_PREFIX").unwrap();
    let fixture = Fixture::single();
    let store = fixture.try_open(folder.as_ref(), false, Hooks::default()).unwrap();
    for n in 0..500 {
        save(&store, "machines", &format!("{prefix}-{n}"), n).await;
        if n == 250 {
            store.checkpoint().await.unwrap();
        }
    }
    // One closes, which writes a last checkpoint; the other just ends.
    if prefix == "a" {
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn two_processes_lose_nothing() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    let program = std::env::current_exe().unwrap();
    let start = |prefix: &str| {
        Command::new(&program)
            .args(["--exact", "tests::handles::child_process", "--ignored"])
            .env("JSON_TEST_FOLDER", fixture.path())
            .env("JSON_TEST_PREFIX", prefix)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = [start("a"), start("b")];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let records = all(&store).await;
    assert_eq!(records.len(), 1_000);
    assert!(records.values().all(|(version, _)| *version == 1));
    assert_eq!(all(&fixture.open_read_only()).await, records);
}

/// A handle that is never idle gives others their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_handle_does_not_keep_others_out() {
    let fixture = Fixture::single();
    let busy = Arc::new(fixture.prepared().await);
    let other = fixture.open();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let task = |n: u64| {
        let (busy, stop) = (Arc::clone(&busy), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                save(&busy, "machines", &format!("m-{n}"), n).await;
            }
        })
    };
    let tasks: Vec<_> = (0..64).map(task).collect();
    let turns = async {
        for n in 0..30 {
            save(&other, "requests", "mine", n).await;
            all(&other).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), turns).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    waited.expect("the other handle never got the lock");
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn an_index_is_filled_once_queries_have_read_as_much_without_it() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    let put = |n: u64| {
        let id = format!("m-{n:04}");
        repo_core::Write::put(key("machines", &id), document(&id, n), repo_core::Precondition::Any)
    };
    store.commit((0..1_500).map(put).collect()).await.unwrap();
    let even = Query::new(Filter::parse(r#"{"status": "EVEN"}"#).unwrap()).limit(100).unwrap();
    let pass = async || {
        let (mut query, mut found, mut plans) = (even.clone(), 0, Vec::new());
        loop {
            let page = store.query(&name("machines"), &query).await.unwrap();
            found += page.entities.len();
            plans.push(page.plan);
            match page.next {
                Some(cursor) => query = query.after(cursor),
                None => return (found, plans),
            }
        }
    };
    let (found, plans) = pass().await;
    assert_eq!(found, 750);
    assert!(plans.iter().all(|plan| *plan == Plan::Scan), "{plans:?}");
    let (found, plans) = pass().await;
    assert_eq!(found, 750);
    let index = Plan::Index { name: "status-index".to_owned() };
    assert!(plans.iter().all(|plan| *plan == index), "{plans:?}");
}
