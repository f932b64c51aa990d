//! The digest beside each record: who writes it, who removes it, and what it finds.
#![cfg(feature = "sqlite")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::{
    Store, collection, key, machine, machines, open, options, prepared, read_only, tool,
};
use futures::TryStreamExt as _;
use repo_core::strategy::{OnUnreadable, Record, ScanOptions, StorageStrategyExt as _};
use repo_core::{Error, ErrorKind, HealthDepth, Precondition, Timestamp, Write};
use tempfile::TempDir;

/// Ids with their digests.
fn digests(file: &Path) -> BTreeMap<String, Option<i64>> {
    let tool = tool(file);
    let mut statement = tool.prepare("SELECT machine_id, _digest FROM machines_records").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn has_digest(file: &Path, id: &str) -> bool {
    digests(file)[id].is_some()
}

async fn scan(store: &Store) -> Result<Vec<Record>, Error> {
    let scan = store.scan(&collection("machines"), ScanOptions::default()).await?;
    Ok(repo_testkit::batches(scan).await?.concat())
}

async fn deep(store: &Store) -> String {
    let health = store.health(&HealthDepth::Deep(Arc::new(|_, _| {}))).await.unwrap();
    let wrong = health.checks.iter().filter(|check| !check.ok);
    wrong.map(|check| format!("{}: {}\n", check.name, check.detail)).collect()
}

/// Takes the column and the trigger away, as a program from before made the table.
const AS_BEFORE: &str = r#"DROP TRIGGER "machines-digest-trigger";
    ALTER TABLE machines_records DROP COLUMN _digest;
    DELETE FROM _repo_objects WHERE kind = 'column' AND name = '_digest';
    UPDATE _repo_objects SET definition =
        (SELECT sql FROM sqlite_master WHERE name = 'machines_records') WHERE kind = 'table'"#;

/// What an older program sends.
const AS_OLDER_PROGRAMS: &str = r#"INSERT INTO machines_records
    (machine_id, _version, _created_at, _updated_at, document)
    VALUES ('%', 9, 1, 2, '{"machine_id":"%","status":"older"}') ON CONFLICT (machine_id) DO UPDATE
    SET _version = excluded._version, _created_at = excluded._created_at,
    _updated_at = excluded._updated_at, document = excluded.document
    WHERE excluded._version > machines_records._version"#;

#[tokio::test]
async fn every_write_leaves_the_digest_of_what_it_wrote() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    for id in ["saved", "deleted", "returned"] {
        store.save(key(id), machine(id, "")).await.unwrap();
    }
    let version = store.save(key("updated"), machine("updated", "")).await.unwrap().version;
    let changed = machine("updated", r#""status":"x""#);
    let update = Write::put(key("updated"), changed, Precondition::Version(version));
    store.commit(vec![update]).await.unwrap();
    store.delete(key("deleted")).await.unwrap();
    store.delete(key("returned")).await.unwrap();
    let put = |id| Write::put(key(id), machine(id, ""), Precondition::Absent);
    store.commit(["first", "second", "returned"].map(put).to_vec()).await.unwrap();
    let written = scan(&store).await.unwrap();
    let filled = digests(&file);
    assert_eq!((written.len(), filled.len()), (6, 6));
    assert!(filled.values().all(Option::is_some), "{filled:?}");
    // The same records in another store have the same digests, by another path.
    let copy = dir.path().join("copy.db");
    let other = prepared(&copy).await;
    other.save(key("saved"), machine("saved", r#""status":"before""#)).await.unwrap();
    let higher: Vec<Record> = written.into_iter().filter(|r| r.id().as_str() != "saved").collect();
    other.apply(higher).await.unwrap();
    let mut both = digests(&copy);
    let saved = both.insert("saved".to_owned(), filled["saved"]);
    assert!(saved.unwrap().is_some() && both == filled, "{both:?} {filled:?}");
    scan(&other).await.unwrap();
    let all = Timestamp::from_micros(i64::MAX / 1_000_000).unwrap();
    store.purge(&collection("machines"), all).await.unwrap();
    assert_eq!(deep(&store).await, "");
}

#[tokio::test]
async fn what_another_program_changes_is_no_damage() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    for (id, change) in [
        ("document", "document = json_set(document, '$.status', 'theirs')"),
        ("version", "_version = _version + 5"),
        ("times", "_created_at = 5, _updated_at = 6"),
        ("none", "document = document"),
    ] {
        store.save(key(id), machine(id, "")).await.unwrap();
        assert!(has_digest(&file, id));
        let sql = format!("UPDATE machines_records SET {change} WHERE machine_id = '{id}'");
        assert_eq!(tool(&file).execute(&sql, []).unwrap(), 1);
        assert!(!has_digest(&file, id), "{id}");
        scan(&store).await.unwrap();
        // What is written next has one again.
        store.save(key(id), machine(id, "")).await.unwrap();
        assert!(has_digest(&file, id), "{id}");
    }
    for id in ["document", "new"] {
        tool(&file).execute(&AS_OLDER_PROGRAMS.replace('%', id), []).unwrap();
        assert!(!has_digest(&file, id), "{id}");
        let found = store.get(&collection("machines"), &key(id).id).await;
        assert!(found.unwrap().unwrap().document.as_str().contains("older"));
    }
    let tombstone = "UPDATE machines_records SET document = NULL WHERE machine_id = 'none'";
    tool(&file).execute(tombstone, []).unwrap();
    assert_eq!((scan(&store).await.unwrap().len(), deep(&store).await), (5, String::new()));
}

/// A trigger of another program changes what this one is writing.
#[tokio::test]
async fn triggers_of_other_programs_go_with_digests() {
    for recursive in ["ON", "OFF"] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("m.db");
        let store = prepared(&file).await;
        store.save(key("a"), machine("a", "")).await.unwrap();
        let sql = "CREATE TABLE audit (id TEXT);
            CREATE TRIGGER theirs AFTER UPDATE OF document ON machines_records
            WHEN json_extract(NEW.document, '$.note') IS NULL BEGIN
            INSERT INTO audit VALUES (NEW.machine_id);
            UPDATE machines_records SET document = json_set(NEW.document, '$.note', 'seen')
            WHERE machine_id = NEW.machine_id; END";
        tool(&file).execute_batch(sql).unwrap();
        store.save(key("a"), machine("a", r#""status":"ours""#)).await.unwrap();
        let other = tool(&file);
        other.execute_batch(&format!("PRAGMA recursive_triggers = {recursive}")).unwrap();
        let theirs = r#"UPDATE machines_records SET document = '{"machine_id":"a"}'"#;
        other.execute(theirs, []).unwrap();
        let seen: u32 =
            other.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
        let records = scan(&store).await.unwrap();
        assert_eq!((seen, records.len(), has_digest(&file, "a")), (2, 1, false));
        assert!(records[0].document().unwrap().as_str().contains("seen"));
    }
}

#[tokio::test]
async fn a_table_without_digests_is_used_as_it_is_until_it_is_upgraded() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    tool(&file).execute_batch(AS_BEFORE).unwrap();
    let store = open(&file).await;
    let schema = || -> Vec<String> {
        let tool = tool(&file);
        let mut all = tool.prepare("SELECT sql FROM sqlite_master WHERE sql NOT NULL").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = schema();
    store.prepare(&[machines()]).await.unwrap();
    let version = store.save(key("a"), machine("a", "")).await.unwrap().version;
    let update = Write::put(key("a"), machine("a", ""), Precondition::Version(version));
    store.commit(vec![update]).await.unwrap();
    store.save(key("gone"), machine("gone", "")).await.unwrap();
    store.delete(key("gone")).await.unwrap();
    let records = scan(&store).await.unwrap();
    assert_eq!(schema(), before);
    let other = open(&file).await;
    assert_eq!(other.upgrade_layout().await.unwrap(), Some(3));
    assert_eq!(other.upgrade_layout().await.unwrap(), None);
    // The handle that was open before knows of it, too.
    assert_eq!(scan(&store).await.unwrap(), records);
    assert!(!has_digest(&file, "a"));
    store.save(key("a"), machine("a", "")).await.unwrap();
    assert!(has_digest(&file, "a"));
    other.prepare(&[machines()]).await.unwrap();
    assert_eq!(deep(&store).await, "");
}

#[tokio::test]
async fn an_upgraded_store_of_layout_1_finds_what_changed_after_it_was_written() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    prepared(&file).await.close().await.unwrap();
    tool(&file).execute_batch(AS_BEFORE).unwrap();
    tool(&file).execute_batch(crate::common::LAYOUT_1).unwrap();
    let store = open(&file).await;
    store.save(key("old"), machine("old", "")).await.unwrap();
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(1));
    store.save(key("new"), machine("new", "\"note\":\"spot\"")).await.unwrap();
    assert_eq!((has_digest(&file, "old"), has_digest(&file, "new")), (false, true));
    store.close().await.unwrap();
    // A page may hold what is left of an earlier copy as well.
    let sound = std::fs::read(&file).unwrap();
    let mut rotten = sound.clone();
    for (at, found) in sound.windows(4).enumerate() {
        if found == b"spot" {
            rotten[at] = b'S';
        }
    }
    assert_ne!(rotten, sound);
    std::fs::write(&file, rotten).unwrap();
    let error = scan(&open(&file).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("digest"), "{error}");
}

/// Digests that nobody watched over count for nothing.
#[tokio::test]
async fn without_its_trigger_a_digest_is_not_looked_at() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let store = prepared(&file).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    let sql = "DROP TRIGGER \"machines-digest-trigger\";
        UPDATE machines_records SET document = json_set(document, '$.status', 'theirs')";
    tool(&file).execute_batch(sql).unwrap();
    scan(&store).await.unwrap();
    store.save(key("b"), machine("b", "")).await.unwrap();
    assert!(has_digest(&file, "a") && !has_digest(&file, "b"));
    assert_eq!(store.upgrade_layout().await.unwrap(), Some(3));
    assert!(!has_digest(&file, "a"));
    scan(&store).await.unwrap();
    store.save(key("b"), machine("b", "")).await.unwrap();
    assert!(has_digest(&file, "b"));
}

#[tokio::test]
async fn an_indexed_field_may_have_the_name_of_the_column() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("m.db");
    let schema = |indexes: &str| {
        repo_core::CollectionSchema::parse(&format!(
            r#"{{"type":"object","x-repository":{{"collection":"machines",
                "idField":"machine_id","indexes":{indexes}}},"properties":{{}}}}"#
        ))
        .unwrap()
    };
    let store = prepared(&file).await;
    for indexes in ["[]", r#"[["_digest"]]"#, "[]"] {
        store.prepare(&[schema(indexes)]).await.unwrap();
        store.save(key("a"), machine("a", r#""_digest":"theirs""#)).await.unwrap();
        store.upgrade_layout().await.unwrap();
        assert_eq!(scan(&store).await.unwrap().len(), 1);
    }
}

/// A store of 2,000 machines in a file of its own, closed.
async fn filled(dir: &Path) -> PathBuf {
    let file = dir.join("m.db");
    let store = prepared(&file).await;
    let members = |n: usize| format!(r#""status":"s{}","note":"{}""#, n % 7, "x".repeat(n % 400));
    let puts = |from: usize| {
        (from..from + 500)
            .map(|n| (format!("m-{n:05}"), n))
            .map(|(id, n)| Write::put(key(&id), machine(&id, &members(n)), Precondition::Absent))
    };
    for from in [0, 500, 1_000, 1_500] {
        store.commit(puts(from).collect()).await.unwrap();
    }
    for n in (0..2_000).step_by(20) {
        store.delete(key(&format!("m-{n:05}"))).await.unwrap();
    }
    store.close().await.unwrap();
    file
}

/// Whether a change of these bytes is found, or harms nothing that is read.
async fn is_found_or_harmless(
    sound: &[u8],
    at: usize,
    byte: u8,
    file: &Path,
    records: &[Record],
) -> bool {
    let mut bytes = sound.to_vec();
    bytes[at] ^= byte;
    std::fs::write(file, bytes).unwrap();
    let Ok(store) = read_only(file).await else { return true };
    let same = match scan(&store).await {
        Ok(found) if found == records => true,
        // Fewer records, each as it was: an index lost some. That is what the check of
        // the whole file is for.
        Ok(found) => {
            found.iter().all(|record| records.contains(record)) && !deep(&store).await.is_empty()
        }
        Err(_) => true,
    };
    store.close().await.unwrap();
    same
}

#[tokio::test]
async fn no_flipped_byte_changes_a_record_unnoticed() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path()).await;
    let sound = std::fs::read(&file).unwrap();
    let records = scan(&read_only(&file).await.unwrap()).await.unwrap();
    assert_eq!(records.len(), 2_000);
    let copy = dir.path().join("copy.db");
    let mut random = fastrand::Rng::with_seed(2_026);
    let anywhere: Vec<usize> = (0..150).map(|_| random.usize(..sound.len())).collect();
    // The header, and what the file says of its own tables.
    let first_page: Vec<usize> = (0..60).map(|_| random.usize(100..4_096)).collect();
    for at in anywhere.into_iter().chain(0..100).chain(first_page) {
        let byte = random.u8(1..);
        let passed = is_found_or_harmless(&sound, at, byte, &copy, &records).await;
        assert!(passed, "byte {at} changed by {byte:#x}");
    }
}

#[tokio::test]
async fn a_damaged_record_is_named_and_put_aside() {
    let dir = TempDir::new().unwrap();
    let file = filled(dir.path()).await;
    let bytes = std::fs::read(&file).unwrap();
    let text = br#"{"machine_id":"m-00777","status":"s"#;
    let at = bytes.windows(text.len()).position(|found| found == text).unwrap() + text.len();
    let mut rotten = bytes.clone();
    rotten[at] = b'?';
    std::fs::write(&file, rotten).unwrap();
    let error = scan(&read_only(&file).await.unwrap()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context_value("key")),
        (ErrorKind::Corrupt, Some("machines/m-00777"))
    );
    assert_eq!(error.context_value("table"), Some("machines_records"));
    let told = error.to_string();
    assert!(told.contains("does not match its digest") && told.contains("m.db"), "{told}");
    let aside = options(&[machines()]).with_read_only(true).with_unreadable(OnUnreadable::SetAside);
    let store = crate::common::try_open(&file, aside).await.unwrap();
    let mut batches = store.scan(&collection("machines"), ScanOptions::default()).await.unwrap();
    let (mut sound, mut stored) = (0, Vec::new());
    while let Some(batch) = batches.try_next().await.unwrap() {
        sound += batch.records.len();
        stored.extend(batch.unreadable.into_iter().map(|record| record.stored.unwrap()));
    }
    assert_eq!((sound, stored.len()), (1_999, 1));
    assert!(stored[0].starts_with(br#"{"machine_id":"m-00777","status":"s?"#));
    // To write it again mends it.
    drop((batches, store));
    let store = open(&file).await;
    store.save(key("m-00777"), machine("m-00777", "")).await.unwrap();
    assert_eq!((scan(&store).await.unwrap().len(), deep(&store).await), (2_000, String::new()));
}
