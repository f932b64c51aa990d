//! Archives: what they hold, and that damage never passes.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use repo_core::strategy::Record;
use repo_core::{Error, ErrorKind, Result};
use repo_migrate::{
    Archive, ArchivedCollection, Outcome, Phase, Role, Silent, VerifyOptions, migrate, verify,
};

use crate::stores::{
    Probe, Store, contents, empty, hostile, live, many, name, schema, schemas, store, with_backup,
};

/// All records that an archive gives for a collection.
pub async fn records(archive: &Archive, collection: &str) -> Result<Vec<Record>> {
    let batches = archive.records(&name(collection), NonZeroUsize::new(64).unwrap())?;
    Ok(batches.try_collect::<Vec<_>>().await?.concat())
}

/// The archive of a source, where there is one.
pub fn only_source(folder: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("_target"))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn archived(records: &[Record], folder: &Path) -> PathBuf {
    let (source, target) = (store(records).await, empty());
    source.prepare(&[schema("requests")]).await.unwrap();
    let options = with_backup(folder);
    let schemas = schemas(&["machines", "requests"]);
    let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    report.backup.unwrap()
}

#[tokio::test]
async fn an_archive_holds_everything_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = many(1_000);
    all.extend(hostile());
    let path = archived(&all, &folder.path().join("deep/backups")).await;
    let archive = Archive::open(&path).await.unwrap();
    archive.verify(&Silent).await.unwrap();
    let manifest = archive.manifest();
    assert_eq!((manifest.format_version, manifest.role), (1, Role::Source));
    assert!(manifest.location.starts_with("memory:"));
    let entry = &manifest.collections[0];
    assert_eq!((entry.name.as_str(), entry.records, entry.tombstones), ("machines", 1_016, 101));
    assert_eq!(manifest.collections[1].records, 0);

    let back = store(&records(&archive, "machines").await.unwrap()).await;
    let original = store(&all).await;
    assert_eq!(contents(&back, "machines").await, contents(&original, "machines").await);
    let report = verify(&original, &back, &VerifyOptions::default(), &Silent).await.unwrap();
    assert!(report.equal && report.collections[0].times_equal);
    assert_eq!(report.collections[0].source.digest, entry.digest);

    let error = records(&archive, "people").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint_text(), Some("it holds: machines, requests"));
}

#[tokio::test]
async fn the_files_are_plain_zstandard_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&[live("a\"b", 3, "\"n\":1.50")], folder.path()).await;
    let file_name = path.file_name().unwrap().to_str().unwrap();
    let stamp = file_name.strip_prefix("migration_backup_").unwrap();
    assert_eq!((stamp.len(), &stamp[8..9], &stamp[15..]), (16, "T", "Z"));
    let text = zstd::decode_all(fs::File::open(path.join("machines.jsonl.zst")).unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "{\"id\":\"a\\\"b\",\"n\":1.50,\"_version\":3,\"_created_at\":\"1970-01-01T00:00:00.001000Z\",\
         \"_updated_at\":\"1970-01-01T00:00:00.001003Z\"}\n"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
}

#[tokio::test]
async fn archives_of_one_second_get_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.push(archived(&many(3), folder.path()).await);
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 3);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing unfinished is left");
}

/// What reading a damaged archive says.
async fn read_all(path: &Path) -> Result<()> {
    let archive = Archive::open(path).await?;
    let checked = archive.verify(&Silent).await;
    // Whoever only reads is told as well.
    let read = records(&archive, "machines").await;
    assert_eq!(checked.is_err(), read.is_err(), "{checked:?}");
    checked
}

fn expect_corrupt(what: &str, result: Result<()>, file: &str) -> Error {
    let error = result.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    let named = error.context_value("file").unwrap_or_else(|| panic!("{what}: {error}"));
    assert!(named.ends_with(file), "{what}: {error}");
    error
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&many(200), folder.path()).await;
    let file = path.join("machines.jsonl.zst");
    let good = fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&file, &bad).unwrap();
        expect_corrupt(&format!("byte {at}"), read_all(&path).await, "machines.jsonl.zst");
    }
    fs::write(&file, &good).unwrap();
    read_all(&path).await.unwrap();
}

#[tokio::test]
async fn a_truncated_longer_or_missing_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&many(200), folder.path()).await;
    let file = path.join("machines.jsonl.zst");
    let good = fs::read(&file).unwrap();
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&file, &good[..length]).unwrap();
        let what = format!("{length} bytes");
        expect_corrupt(&what, read_all(&path).await, "machines.jsonl.zst");
    }
    for added in [&b"\0"[..], &good] {
        fs::write(&file, [&good, added].concat()).unwrap();
        expect_corrupt("more bytes", read_all(&path).await, "machines.jsonl.zst");
    }
    fs::remove_file(&file).unwrap();
    let error = expect_corrupt("no file", read_all(&path).await, "machines.jsonl.zst");
    assert!(error.message().contains("missing"));
}

#[tokio::test]
async fn another_sound_file_in_its_place_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&many(200), folder.path()).await;
    let lines = zstd::decode_all(fs::File::open(path.join("machines.jsonl.zst")).unwrap()).unwrap();
    let swapped = String::from_utf8(lines).unwrap().replacen("\"n\":5.50", "\"n\":6.50", 1);
    fs::write(path.join("machines.jsonl.zst"), zstd::encode_all(swapped.as_bytes(), 3).unwrap())
        .unwrap();
    expect_corrupt("rewritten", read_all(&path).await, "machines.jsonl.zst");
}

#[tokio::test]
async fn a_changed_manifest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&many(20), folder.path()).await;
    let file = path.join("manifest.json");
    let good = fs::read_to_string(&file).unwrap();
    let checksum = good.rsplit('"').nth(1).unwrap().to_owned();
    assert_eq!(checksum.len(), 64);
    let other_digit = if checksum.starts_with('0') { "1" } else { "0" };
    let changes = [
        good.replacen("\"records\": 20", "\"records\": 21", 1),
        good.replacen("\"floor\": 0", "\"floor\": 1", 1),
        good.replacen("memory:", "memorz:", 1),
        good.replacen(&checksum, &format!("{other_digit}{}", &checksum[1..]), 1),
        good.replacen(&checksum, "", 1),
        good.replacen("machines.jsonl.zst", "../machines.jsonl.zst", 1),
        format!("{good} "),
        good[..good.len() / 2].to_owned(),
        String::new(),
    ];
    for (at, bad) in changes.iter().enumerate() {
        assert_ne!(*bad, good);
        fs::write(&file, bad).unwrap();
        expect_corrupt(&format!("change {at}"), read_all(&path).await, "manifest.json");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(read_all(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_manifest_of_a_newer_tool_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = archived(&many(20), folder.path()).await;
    fs::write(path.join("manifest.json"), r#"{"format_version": 4, "what": "ever"}"#).unwrap();
    let error = read_all(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint_text().unwrap().contains("newer"));
}

#[tokio::test]
async fn a_failed_backup_leaves_nothing_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("made/for/this");
    let mut probe = Probe::new(store(&many(500)).await);
    // The estimate reads the source once before.
    probe.on_scan = Arc::new(Box::new(|number, records| {
        if number > 1 && records[0].id().as_str() > "m-00300" {
            return Err(crate::stores::cut_off());
        }
        Ok(records)
    }));
    let target = Arc::new(Probe::new(empty()));
    let (source, into): (Store, Store) = (Arc::new(probe), target.clone());
    let options = with_backup(&backups);
    let error =
        migrate(&source, &into, &schemas(&["machines"]), &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.context_value("side"), Some("source"));
    assert_eq!(target.write_count(), 0);
    assert!(!folder.path().join("made").exists());
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let target = Arc::new(Probe::new(empty()));
    let into: Store = target.clone();
    let source = store(&many(10)).await;
    for place in [file.clone(), file.join("below")] {
        let options = with_backup(&place);
        let error =
            migrate(&source, &into, &schemas(&["machines"]), &options, &Silent).await.unwrap_err();
        assert!(error.context_value("path").is_some(), "{error}");
    }
    assert_eq!(target.write_count(), 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test]
async fn the_schema_of_a_collection_travels_with_it() {
    use repo_core::{CollectionSchema, Document};
    let folder = tempfile::tempdir().unwrap();
    let declared = CollectionSchema::parse(
        r#"{"x-repository":{"collection":"machines","idField":"machine_id","schemaVersion":3},
            "properties":{"machine_id":{"type":"string"},"price":{"type":"number","multipleOf":0.01}}}"#,
    )
    .unwrap();
    let source = empty();
    source.prepare(std::slice::from_ref(&declared)).await.unwrap();
    let document = Document::parse(r#"{"machine_id":"m-1"}"#).unwrap();
    let key = |id: &str| repo_core::Key::new(name("machines"), id.parse().unwrap());
    let put = repo_core::Write::put(key("m-1"), document, repo_core::Precondition::Any);
    let put_too = repo_core::Write::put(
        key("m-2"),
        Document::parse(r#"{"machine_id":"m-2"}"#).unwrap(),
        repo_core::Precondition::Any,
    );
    source.commit(vec![put, put_too]).await.unwrap();
    let delete = repo_core::Write::delete(key("m-2"), repo_core::Precondition::Any);
    source.commit(vec![delete]).await.unwrap();
    let schemas = [declared.clone()].into_iter().collect();
    let options = with_backup(folder.path());
    let report = migrate(&source, &empty(), &schemas, &options, &Silent).await.unwrap();
    let archive = Archive::open(&report.backup.unwrap()).await.unwrap();
    let entry: &ArchivedCollection = &archive.manifest().collections[0];
    assert_eq!(entry.collection_schema().unwrap(), declared);
    assert_eq!(records(&archive, "machines").await.unwrap(), contents(&source, "machines").await);
    assert_eq!(entry.id_field, "machine_id");
}

/// Damages the archive once it is written, before it is read back.
struct Vandal(PathBuf);

impl repo_migrate::Progress for Vandal {
    fn phase(&self, phase: Phase, _total: Option<u64>) {
        if phase == Phase::BackupCheck {
            let file = only_source(&self.0).join("machines.jsonl.zst");
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
    }
    fn advance(&self, _collection: &repo_core::CollectionName, _records: u64) {}
}

#[tokio::test]
async fn an_archive_that_does_not_read_back_stops_the_run_before_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    for held in [0, 100] {
        let backups = folder.path().join(held.to_string());
        let records = many(200);
        let source = store(&records).await;
        let target = Arc::new(Probe::new(match held {
            0 => empty(),
            held => store(&records[..held]).await,
        }));
        let (into, vandal): (Store, _) = (target.clone(), Vandal(backups.clone()));
        let options = with_backup(&backups);
        let error =
            migrate(&source, &into, &schemas(&["machines"]), &options, &vandal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(target.write_count(), 0);
    }
}
