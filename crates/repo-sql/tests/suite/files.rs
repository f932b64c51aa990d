//! The file itself: made by `prepare` alone, never by reading, and refused
//! when it is damaged or newer.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use std::path::{Path, PathBuf};

use crate::common::{
    collection, key, machine, machines, open, options, prepared, read_only, try_open,
};
use repo_core::strategy::{
    Registry, ScanOptions, StorageStrategyExt as _, StoreUpdate, StoredJob, UnfinishedJob,
};
use repo_core::{Consistency, ErrorKind, Filter, Query};
use repo_sql::{SqlFactory, SqliteFactory};
use serde_json::json;
use tempfile::TempDir;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn nothing_is_made_before_prepare() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("folder/of/m.db");
    let error = read_only(&file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let store = open(&file).await;
    assert_eq!(store.collections().await.unwrap(), []);
    let used = store.save(key("a"), machine("a", "")).await.unwrap_err();
    assert_eq!(used.kind(), ErrorKind::NotFound);
    assert!(used.hint_text().unwrap().contains("`prepare`"));
    assert!(!store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names(dir.path()), Vec::<String>::new());

    let store = open(&file).await;
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_what_is_made() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let store = prepared(&dir.path().join("m.db")).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    let made = names(dir.path());
    assert_eq!(made, ["m.db", "m.db-shm", "m.db-wal"]);
    for name in made {
        let mode = std::fs::metadata(dir.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn reading_leaves_the_file_as_it_is() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(names(dir.path()), ["m.db"], "closing brings the log back into the file");
    let before = std::fs::read(&file).unwrap();
    let store = read_only(&file).await.unwrap();
    let machines_name = collection("machines");
    assert!(store.get(&machines_name, &key("a").id).await.unwrap().is_some());
    assert_eq!(store.query(&machines_name, &Query::all()).await.unwrap().entities.len(), 1);
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    for error in [
        store.save(key("b"), machine("b", "")).await.unwrap_err(),
        store.prepare(&[machines()]).await.unwrap_err(),
        store.checkpoint().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    store.close().await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

/// Also when it only read: SQLite's own reading makes files beside it.
#[tokio::test]
async fn a_closed_handle_leaves_nothing_beside_the_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    let name = collection("machines");
    for write in [false, true, false] {
        let (store, other) = (open(&file).await, open(&file).await);
        if write {
            store.save(key("a"), machine("a", "")).await.unwrap();
        }
        store.query(&name, &Query::all()).await.unwrap();
        other.query(&name, &Query::all()).await.unwrap();
        store.close().await.unwrap();
        assert!(other.get(&name, &key("b").id).await.unwrap().is_none());
        other.close().await.unwrap();
        assert_eq!(names(dir.path()), ["m.db"], "{write}");
    }
    // A handle that is only dropped has nobody to wait for it.
    let store = open(&file).await;
    store.query(&name, &Query::all()).await.unwrap();
    drop(store);
    let store = open(&file).await;
    store.close().await.unwrap();
    assert_eq!(names(dir.path()), ["m.db"]);
}

#[tokio::test]
async fn a_read_only_handle_sees_what_a_writer_commits() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let writer = prepared(&file).await;
    let reader = read_only(&file).await.unwrap();
    writer.save(key("a"), machine("a", "")).await.unwrap();
    assert!(reader.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
    assert_eq!(reader.location(), writer.location());
}

/// As on a medium that may not be written: what SQLite keeps beside the file
/// cannot be made, since links to nowhere stand in the place.
#[cfg(unix)]
#[tokio::test]
async fn a_database_is_read_where_nothing_can_be_made_beside_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m 100%?#.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    store.close().await.unwrap();
    let beside = |ending: &str| dir.path().join(format!("m 100%?#.db{ending}"));
    for ending in ["-wal", "-shm"] {
        std::os::unix::fs::symlink("/nowhere/at/all", beside(ending)).unwrap();
    }
    let before = std::fs::read(&file).unwrap();
    let store = read_only(&file).await.unwrap();
    assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    assert_eq!(std::fs::read(&file).unwrap(), before);

    // Somebody else may write there all the same, and the next read sees it.
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(beside(ending)).unwrap();
    }
    let writer = open(&file).await;
    for id in ["b", "c"] {
        writer.save(key(id), machine(id, "")).await.unwrap();
        assert!(store.get(&collection("machines"), &key(id).id).await.unwrap().is_some(), "{id}");
    }
    store.close().await.unwrap();
    writer.close().await.unwrap();

    // With a log there may be commits that the file does not hold yet.
    let _ = std::fs::remove_file(beside("-shm"));
    std::os::unix::fs::symlink("/nowhere/at/all", beside("-shm")).unwrap();
    std::fs::write(beside("-wal"), [7; 9_000]).unwrap();
    let error = read_only(&file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn a_file_without_a_store_is_no_source() {
    let dir = TempDir::new().unwrap();
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    let other = dir.path().join("other.db");
    crate::common::tool(&other).execute_batch("CREATE TABLE x (a)").unwrap();
    for file in [empty, other] {
        let error = read_only(&file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.context_value("file").unwrap().ends_with(".db"));
    }
    let folder = try_open(dir.path(), options(&[])).await.unwrap_err();
    assert_eq!(folder.kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test]
async fn what_is_no_database_is_corrupt_and_stays() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    for bytes in [&b"{\"machines\": {}}"[..], &[b'x'; 5_000], b"SQLite format 3\0"] {
        std::fs::write(&file, bytes).unwrap();
        for read_only in [true, false] {
            let options = options(&[machines()]).with_read_only(read_only);
            let error = try_open(&file, options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.context_value("file").unwrap().ends_with("m.db"));
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
}

/// A database of some pages, closed.
async fn database(dir: &Path) -> PathBuf {
    let file = dir.join("m.db");
    let store = prepared(&file).await;
    let writes = (0..500)
        .map(|n| {
            let id = format!("m{n:03}");
            let document = machine(&id, &format!(r#""note":"{}""#, "x".repeat(300)));
            repo_core::Write::put(key(&id), document, repo_core::Precondition::Absent)
        })
        .collect();
    store.commit(writes).await.unwrap();
    store.close().await.unwrap();
    file
}

#[tokio::test]
async fn a_truncated_database_is_corrupt_not_shorter() {
    let dir = TempDir::new().unwrap();
    let file = database(dir.path()).await;
    let whole = std::fs::read(&file).unwrap();
    for kept in [100, 512, 4_096, 20_000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..kept]).unwrap();
        let seen = async {
            let store = read_only(&file).await?;
            let name = collection("machines");
            let scan = store.scan(&name, ScanOptions::default()).await?;
            Ok(repo_testkit::batches(scan).await?.concat().len())
        };
        let seen: repo_core::Result<usize> = seen.await;
        assert_eq!(seen.as_ref().map_err(|e| e.kind()), Err(ErrorKind::Corrupt), "{kept}");
        assert_eq!(std::fs::read(&file).unwrap().len(), kept);
    }
}

#[tokio::test]
async fn damage_within_is_corrupt_and_health_sees_it() {
    let dir = TempDir::new().unwrap();
    let file = database(dir.path()).await;
    let mut bytes = std::fs::read(&file).unwrap();
    // Every page but those of the schema.
    let from = bytes.len() / 3;
    bytes[from..].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();
    let store = read_only(&file).await.unwrap();
    let deep = repo_core::HealthDepth::Deep(std::sync::Arc::new(|_, _| {}));
    assert!(!store.health(&deep).await.unwrap().is_ok());
    let all = Filter::parse(r#"{"note":{"$exists":true}}"#).unwrap();
    let error = store.count(&collection("machines"), &all, Consistency::Strong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    crate::common::tool(&file).execute_batch("UPDATE _repo_store SET layout_version = 4").unwrap();
    for read_only in [true, false] {
        let options = options(&[machines()]).with_read_only(read_only);
        let error = try_open(&file, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.context_value("layout"), Some("4"));
        assert!(error.hint_text().unwrap().contains("newer"));
    }
    crate::common::tool(&file).execute_batch("UPDATE _repo_store SET layout_version = 0").unwrap();
    assert_eq!(open_error(&file).await, ErrorKind::Corrupt);
    crate::common::tool(&file).execute_batch("DELETE FROM _repo_store").unwrap();
    assert_eq!(open_error(&file).await, ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_older_layout_is_used_as_it_is_until_it_is_upgraded() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    crate::common::tool(&file).execute_batch(crate::common::LAYOUT_1).unwrap();
    let layout = async |store: &crate::common::Store| {
        let record = store.store_record().await.unwrap();
        (record.layout_version, record.id)
    };
    let store = open(&file).await;
    assert_eq!(layout(&store).await, (1, None));
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("older"), machine("older", "")).await.unwrap();
    let job = UnfinishedJob::from(StoredJob { plan: "p".to_owned(), progress: String::new() });
    let (expected, id) = (
        repo_core::strategy::StoreId::random().unwrap(),
        repo_core::strategy::StoreId::random().unwrap(),
    );
    for (update, ok) in [
        (StoreUpdate::Id { expected, id }, false),
        (StoreUpdate::Job { expected: None, job: Some(job.clone()) }, true),
        (StoreUpdate::Job { expected: Some(job.id().clone()), job: None }, true),
    ] {
        assert_eq!(store.update_store_record(update).await.is_ok(), ok);
    }
    assert_eq!(layout(&store).await, (1, None));
    let other = open(&file).await;
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(1));
    assert_eq!(other.upgrade_layout().await.unwrap(), None);
    let (version, id) = layout(&other).await;
    assert!(version == 3 && id.is_some());
    assert_eq!(layout(&store).await, (version, id));
    store.save(key("newer"), machine("newer", "")).await.unwrap();
    for store in [store, other] {
        assert_eq!(
            store
                .count(&collection("machines"), &Filter::default(), Consistency::Strong)
                .await
                .unwrap(),
            2
        );
        store.close().await.unwrap();
    }
    let reader = read_only(&file).await.unwrap();
    assert_eq!(layout(&reader).await, (version, id));
    assert_eq!(reader.upgrade_layout().await.unwrap_err().kind(), ErrorKind::Unsupported);
}

async fn open_error(file: &Path) -> ErrorKind {
    try_open(file, options(&[machines()])).await.unwrap_err().kind()
}

#[tokio::test]
async fn two_names_of_one_file_are_one_location() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let plain = dir.path().join("m.db");
    let detour = dir.path().join("sub/../m.db");
    // Before the file is there, and after.
    let before = open(&detour).await.location().to_owned();
    let store = prepared(&plain).await;
    assert_eq!(before, store.location());
    assert_eq!(open(&detour).await.location(), store.location());
    assert!(store.location().starts_with("sqlite:/"));
}

#[test]
fn factories_share_their_settings() {
    let registry = Registry::new().with(SqlFactory).with(SqliteFactory);
    let (factory, settings) = registry.by_url("sqlite:/srv/m.db").unwrap();
    assert_eq!(factory.name(), "sqlite");
    assert_eq!(settings, json!({ "type": "sqlite", "name": "/srv/m.db" }));
    assert!(registry.by_url("postgresql://h/d").is_err());
    for url in ["sqlite:", "sqlite://m.db", "sqlite:///m.db"] {
        assert_eq!(registry.by_url(url).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{url}");
    }
    for name in ["sql", "sqlite"] {
        let factory = registry.get(name).unwrap();
        assert_eq!(factory.settings_key(), "sql_strategy");
        factory.check(&json!({})).unwrap();
        let unknown = factory.check(&json!({ "pool_sise": 1 })).unwrap_err();
        assert_eq!(unknown.hint_text(), Some("did you mean `pool_size`?"));
        let schema = factory.settings_schema();
        assert_eq!(schema.pointer("/properties/name/default"), Some(&json!("request_database.db")));
    }
    let server = json!({ "type": "postgresql", "host": "db", "password": "hunter2" });
    let errors = ["sql", "sqlite"].map(|name| registry.get(name).unwrap().check(&server));
    let kinds = errors.map(|error| {
        let error = error.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        error.kind()
    });
    // `sql` misses a name and a user; `sqlite` is another strategy.
    assert_eq!(kinds, [ErrorKind::ConfigInvalid, ErrorKind::ConfigInvalid]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_with_two_names_is_refused_by_either_of_them() {
    let dir = TempDir::new().unwrap();
    let (file, other) = (dir.path().join("m.db"), dir.path().join("other.db"));
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    std::fs::hard_link(&file, &other).unwrap();
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(!health.is_ok(), "a handle that was open says so: {health:?}");
    store.close().await.unwrap();
    for name in [&file, &other] {
        let options = options(&[machines()]);
        let opened =
            [try_open(name, options).await.unwrap_err(), read_only(name).await.unwrap_err()];
        for error in opened {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.context_value("names"), Some("2"), "{error}");
            assert!(error.hint_text().unwrap().contains("-samefile"), "{error}");
        }
    }
    std::fs::remove_file(&other).unwrap();
    assert!(open(&file).await.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_that_comes_before_the_first_write_is_seen() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    let store = open(&file).await;
    std::fs::hard_link(&file, dir.path().join("other.db")).unwrap();
    let error = store.save(key("a"), machine("a", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_to_the_file_and_to_its_log() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("real");
    std::fs::create_dir(&folder).unwrap();
    let (file, link) = (folder.join("m.db"), dir.path().join("link.db"));
    prepared(&file).await.close().await.unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let (by_link, by_name) = (open(&link).await, open(&file).await);
    assert_eq!(by_link.location(), by_name.location());
    by_link.save(key("a"), machine("a", "")).await.unwrap();
    by_name.save(key("b"), machine("b", "")).await.unwrap();
    assert_eq!(names(dir.path()), ["link.db", "real"]);
    assert!(names(&folder).contains(&"m.db-wal".to_owned()));
    for store in [&by_link, &by_name] {
        let name = collection("machines");
        let count = store.count(&name, &Filter::default(), Consistency::Strong).await.unwrap();
        assert_eq!(count, 2);
        store.close().await.unwrap();
    }
    assert!(link.is_symlink());

    let dangling = dir.path().join("dangling.db");
    std::os::unix::fs::symlink(dir.path().join("nowhere/m.db"), &dangling).unwrap();
    let error = try_open(&dangling, options(&[machines()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert!(error.message().contains("leads nowhere"), "{error}");
}
