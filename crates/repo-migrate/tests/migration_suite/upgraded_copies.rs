//! Copies whose documents go to another schema version on the way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use repo_core::strategy::{Record, StorageStrategyExt as _};
use repo_core::{CollectionSchema, Document, Error, ErrorKind, Schemas};
use repo_migrate::{
    Archive, BackupOptions, CleanUpOptions, CompressionLevel, MigrationOptions, OnConflict,
    Outcome, RestoreOptions, Silent, VerifyOptions, archived_schemas, back_up, clean_up, migrate,
    restore, verify,
};

use crate::places::Place;
use crate::stores::{
    Probe, Store, contents, cut_off, empty, gone, live, name, options, schema, with_backup,
};

const UPGRADES: &str = r#"[
    {"from":1,"to":2,"steps":[{"rename":{"from":"n","to":"size.n"}},{"default":{"field":"n","value":"new"}}]},
    {"from":2,"to":3,"steps":[{"convert":{"field":"price","to":"number"}},{"remove":{"field":"old"}}]}
]"#;

/// The collection at version 3, with these upgrades.
pub fn declared(upgrades: &str) -> Schemas {
    let text = format!(
        r#"{{"x-repository":{{"collection":"machines","idField":"id","schemaVersion":3,"upgrades":{upgrades}}}}}"#
    );
    [CollectionSchema::parse(&text).unwrap()].into_iter().collect()
}

/// A record of version 1, and what it is to become.
fn both(at: u64) -> (Record, Record) {
    let (id, number) = (format!("m-{at:04}"), 1 + at % 5);
    if at % 10 == 3 {
        return (gone(&id, number), gone(&id, number));
    }
    // 38 digits.
    let price = format!("1234567890123456789012345678901234{at:04}");
    let old = format!("\"n\":{at}.50,\"price\":\"{price}\",\"old\":[1]");
    let new = format!("\"size\":{{\"n\":{at}.5}},\"n\":\"new\",\"price\":{price}");
    (live(&id, number, &old), live(&id, number, &new))
}

fn records(count: u64) -> (Vec<Record>, Vec<Record>) {
    (0..count).map(both).unzip()
}

/// The schemas of a program that knows version 1.
fn of_version_1() -> Schemas {
    [schema("machines")].into_iter().collect()
}

async fn fill(store: &Store, records: &[Record]) {
    store.prepare(&[schema("machines")]).await.unwrap();
    store.apply(records.to_vec()).await.unwrap();
}

async fn source_of(records: &[Record]) -> Store {
    let source = empty();
    fill(&source, records).await;
    source
}

fn upgraded(schemas: &Schemas) -> VerifyOptions {
    VerifyOptions { upgrades: Some(Arc::new(schemas.clone())), ..VerifyOptions::default() }
}

async fn version_of(store: &Store) -> u32 {
    store.store_record().await.unwrap().collections[&name("machines")].schema_version
}

#[tokio::test]
async fn every_store_is_copied_upgraded_into_every_other_and_again_all_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(250);
    let schemas = declared(UPGRADES);
    for (number, (from, into)) in Place::pairs().into_iter().enumerate() {
        let what = format!("{} into {}", from.name, into.name);
        let here = folder.path().join(number.to_string());
        let source = from.open(&here.join("source"), &of_version_1(), false).await.unwrap();
        fill(&source, &old).await;
        source.close().await.unwrap();
        let source = from.open(&here.join("source"), &schemas, true).await.unwrap();
        let target = into.open(&here.join("target"), &schemas, false).await.unwrap();
        let options = with_backup(&here.join("backups"));
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 250), "{what}");
        assert_eq!(report.collections[0].upgrade, [1, 2, 3], "{what}");
        assert_eq!(contents(&target, "machines").await, new, "{what}");
        assert_eq!((version_of(&source).await, version_of(&target).await), (1, 3), "{what}");

        // A backup is a copy: it holds the documents as they are.
        let archive = Archive::open(&report.backup.unwrap()).await.unwrap();
        assert_eq!(archive.manifest().collections[0].schema_version, 1);
        let again = empty();
        let kept = archived_schemas(&archive, &of_version_1()).unwrap();
        restore(&archive, &again, &kept, &RestoreOptions::default(), &Silent).await.unwrap();
        assert_eq!(contents(&again, "machines").await, old, "{what}");

        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.equal), (Outcome::Verified, 250), "{what}");
        assert_eq!(report.backup, None);
        let found = verify(&source, &target, &upgraded(&schemas), &Silent).await.unwrap();
        assert!(found.equal, "{what}: {found:?}");
        assert!(!verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
        target.close().await.unwrap();
        source.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_the_copy_spoils_is_found_also_where_documents_are_upgraded() {
    let (old, _) = records(100);
    let source = source_of(&old).await;
    let schemas = declared(UPGRADES);
    let target = empty();
    migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    let spoilt = live("m-0007", 9, "\"n\":\"new\"");
    target.apply(vec![spoilt]).await.unwrap();
    let found = verify(&source, &target, &upgraded(&schemas), &Silent).await.unwrap();
    assert_eq!(found.collections[0].differs, 1);
    assert_eq!(found.collections[0].differences[0].id, "m-0007");
}

#[tokio::test]
async fn the_source_is_emptied_of_what_was_upgraded_on_the_way() {
    let (old, new) = records(100);
    let (source, target) = (source_of(&old).await, empty());
    let schemas = declared(UPGRADES);
    let done = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    let how = CleanUpOptions {
        batch_size: options().batch_size,
        workers: options().workers,
        rate_limit: None,
        patience: options().patience,
        upgrades: Some(Arc::new(schemas)),
    };
    let proof = done.verified().unwrap();
    let report = clean_up(&source, &target, &proof, &how, &Silent).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(contents(&source, "machines").await, []);
    assert_eq!(contents(&target, "machines").await, new);
}

#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_with_upgraded_records() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(1_000);
    let source = source_of(&old).await;
    let schemas = declared(UPGRADES);
    for options in [with_backup(folder.path()), options()] {
        let target = empty();
        for fails in [4, 3, 5] {
            let mut probe = Probe::new(target.clone());
            probe.on_apply = Box::new(
                move |number, records| if number >= fails { Err(cut_off()) } else { Ok(records) },
            );
            let into: Store = Arc::new(probe);
            migrate(&source, &into, &schemas, &options, &Silent).await.unwrap_err();
        }
        // Other steps would mix with what has arrived.
        let other = declared(&UPGRADES.replace("new", "other"));
        let error = migrate(&source, &target, &other, &options, &Silent).await.unwrap_err();
        assert!(error.message().contains("other upgrades"), "{error}");

        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        assert!(report.resumed.is_some());
        assert_eq!(contents(&target, "machines").await, new);
    }
}

#[tokio::test]
async fn without_a_way_nothing_is_written() {
    let (old, _) = records(10);
    let source = source_of(&old).await;
    for upgrades in ["[]", r#"[{"from":2,"to":3,"steps":[]}]"#, r#"[{"from":3,"to":1,"steps":[]}]"#]
    {
        let target = Arc::new(Probe::new(empty()));
        let into: Store = target.clone();
        let error =
            migrate(&source, &into, &declared(upgrades), &options(), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{upgrades}");
        assert_eq!(error.context_value("found"), Some("1"));
        assert!(error.hint_text().unwrap().contains("upgrades"), "{error:?}");
        assert_eq!(target.write_count(), 0);
    }
}

#[tokio::test]
async fn an_entity_that_cannot_be_upgraded_is_named_or_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (mut old, new) = records(300);
    let bad = live("bad", 2, "\"n\":1,\"price\":\"abc\"");
    old.push(bad);
    let source = source_of(&old).await;
    let schemas = declared(UPGRADES);
    let target = Arc::new(Probe::new(empty()));
    let into: Store = target.clone();
    let error = migrate(&source, &into, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let named = error.context_value("entities").unwrap();
    for words in ["machines/bad", "/price", "convert price to number", "2→3"] {
        assert!(named.contains(words), "{words}: {named}");
    }
    assert_eq!(target.write_count(), 0);

    for backup in [Some(folder.path().join("backups")), None] {
        let target = empty();
        let file = folder.path().join("quarantine.ndjson");
        let options = MigrationOptions { backup, quarantine: Some(file.clone()), ..options() };
        let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.quarantined), (Outcome::Partly, 1));
        assert!(report.verification.unwrap().equal);
        assert_eq!(contents(&target, "machines").await, new);
        // As it was: what could be corrected is the document of version 1.
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(r#"\"abc\""#) || text.contains(r#""price":"abc""#), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}

#[tokio::test]
async fn functions_of_a_program_upgrade_as_well() {
    let (old, _) = records(50);
    let source = source_of(&old).await;
    let add = |document: &Document| -> Result<Document, Error> {
        let text = document.as_str();
        Document::parse(&format!("{},\"seen\":true}}", &text[..text.len() - 1]))
    };
    let machines = CollectionSchema { schema_version: 2, ..schema("machines") };
    let schemas: Schemas = [machines.with_upgrade(1, 2, add).unwrap()].into_iter().collect();
    let target = empty();
    let report = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    assert_eq!((report.outcome, version_of(&target).await), (Outcome::Verified, 2));
    let seen = contents(&target, "machines").await;
    let seen = seen.iter().filter_map(Record::document).all(|it| it.as_str().contains("\"seen\""));
    assert!(seen);
}

#[tokio::test]
async fn what_the_target_holds_is_compared_with_the_upgraded_records() {
    let (old, new) = records(60);
    let source = source_of(&old).await;
    let schemas = declared(UPGRADES);
    let target = empty();
    target.prepare(&[schemas.get(&name("machines"))]).await.unwrap();
    let mut held = new.clone();
    held[5] = live("m-0005", 7, "\"by\":\"someone\"");
    target.apply(held).await.unwrap();
    let error = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let named = error.context_value("records").unwrap();
    assert!(named.contains("m-0005") && !named.contains("m-0006"), "{named}");
    let options = MigrationOptions { on_conflict: OnConflict::Overwrite, ..options() };
    let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
    assert_eq!((report.totals.applied, report.totals.equal), (1, 59));
    let stored = contents(&target, "machines").await;
    assert_eq!(stored[5].version().get(), 8);
    assert!(stored[5].document().unwrap().equals(new[5].document().unwrap()));
}

#[tokio::test]
async fn an_old_archive_is_restored_into_a_store_of_the_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(120);
    let source = source_of(&old).await;
    let backup = BackupOptions {
        collections: None,
        folder: folder.path().to_owned(),
        compression: CompressionLevel::default(),
        batch_size: std::num::NonZeroUsize::new(50).unwrap(),
        without_history: false,
    };
    let archive = back_up(&source, &of_version_1(), &backup, &Silent).await.unwrap();
    let schemas = archived_schemas(&archive, &declared(UPGRADES)).unwrap();
    let target = Arc::new(Probe::new(empty()));
    let into: Store = target.clone();
    let report =
        restore(&archive, &into, &schemas, &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert_eq!(contents(&into, "machines").await, new);
    assert_eq!(version_of(&into).await, 3);
    let applies = target.applies.load(Ordering::SeqCst);
    let report =
        restore(&archive, &into, &schemas, &RestoreOptions::default(), &Silent).await.unwrap();
    assert_eq!((report.totals.equal, target.applies.load(Ordering::SeqCst)), (120, applies));
}

#[tokio::test]
async fn files_of_another_tool_count_as_version_1_where_upgrades_begin_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("request_database.json"),
        r#"{"machines":{"a":{"id":"a","n":1,"price":"2.50"}}}"#,
    )
    .unwrap();
    let json = Place::all()[0];
    for (upgrades, version) in [(UPGRADES, 1), ("[]", 3)] {
        let schemas = declared(upgrades);
        let source = json.open(folder.path(), &schemas, true).await.unwrap();
        assert_eq!(version_of(&source).await, version);
        source.close().await.unwrap();
    }
    let schemas = declared(UPGRADES);
    let source = json.open(folder.path(), &schemas, true).await.unwrap();
    let target = empty();
    migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    let stored = contents(&target, "machines").await;
    let expected = Document::parse(r#"{"id":"a","n":"new","size":{"n":1},"price":2.5}"#).unwrap();
    assert!(stored[0].document().unwrap().equals(&expected), "{stored:?}");
}

#[tokio::test]
async fn preparing_keeps_the_version_of_records_that_have_to_be_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = declared(UPGRADES);
    let machines = schemas.get(&name("machines"));
    for (number, place) in Place::all().into_iter().enumerate() {
        let here = folder.path().join(number.to_string());
        let store = place.open(&here, &of_version_1(), false).await.unwrap();
        store.prepare(&[schema("machines")]).await.unwrap();
        store.prepare_keeping_versions(std::slice::from_ref(&machines)).await.unwrap();
        assert_eq!(version_of(&store).await, 3, "there is nothing to upgrade");
        store.prepare(&[schema("machines")]).await.unwrap();
        store.apply(records(10).0).await.unwrap();
        store.prepare_keeping_versions(std::slice::from_ref(&machines)).await.unwrap();
        assert_eq!(version_of(&store).await, 1, "{}", place.name);
        let outdated = store.outdated(std::slice::from_ref(&machines)).await.unwrap();
        assert_eq!(outdated[0].1.versions(), [1, 2, 3]);
        store.close().await.unwrap();
    }
}
