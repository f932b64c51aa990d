//! Collections whose documents are upgraded where they are.
//!
//! The steps are such that a document that went through them twice would be
//! refused, or would be another one.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use repo_core::strategy::Record;
use repo_core::{Document, Error, ErrorKind, Key, Precondition, Result, Schemas, Write};
use repo_migrate::{
    Archive, BackupOptions, CompressionLevel, MigrationOptions, Silent, UpgradeOptions,
    UpgradeOutcome, UpgradeReport, back_up, migrate, refuse_unfinished_upgrade, status, upgrade,
};

use crate::places::Place;
use crate::stores::{
    Probe, Store, Told, beginning, contents, empty, gone, live, name, options as plain, schema,
};
use crate::upgraded_copies::declared;

const UPGRADES: &str = r#"[
    {"from":1,"to":2,"steps":[{"rename":{"from":"n","to":"size"}},{"default":{"field":"n","value":"new"}}]},
    {"from":2,"to":3,"steps":[{"convert":{"field":"price","to":"number"}}]}
]"#;

pub fn schemas() -> Schemas {
    declared(UPGRADES)
}

/// A record of version 1, and what it is to become: one version higher.
pub fn both(at: u64) -> (Record, Record) {
    let (id, number) = (format!("m-{at:03}"), 1 + at % 5);
    if at % 10 == 3 {
        return (gone(&id, number), gone(&id, number));
    }
    let old = live(&id, number, &format!("\"n\":{at},\"price\":\"{at}.50\""));
    let new = format!("\"size\":{at},\"n\":\"new\",\"price\":{at}.5");
    (old, live(&id, number + 1, &new))
}

pub fn records(count: u64) -> (Vec<Record>, Vec<Record>) {
    (0..count).map(both).unzip()
}

pub fn options(folder: &Path) -> UpgradeOptions {
    UpgradeOptions {
        collection: name("machines"),
        to: 3,
        backup: folder.to_owned(),
        compression: CompressionLevel::default(),
        batch_size: NonZeroUsize::new(10).unwrap(),
        dry_run: false,
        patience: Duration::ZERO,
    }
}

pub async fn store_of(records: &[Record]) -> Store {
    let store = empty();
    store.prepare(&[schema("machines")]).await.unwrap();
    store.apply(records.to_vec()).await.unwrap();
    store
}

pub async fn run(store: &Store, folder: &Path) -> Result<UpgradeReport> {
    upgrade(store, &schemas(), &options(folder), &Silent).await
}

pub async fn version_of(store: &Store) -> u32 {
    store.store_record().await.unwrap().collections[&name("machines")].schema_version
}

/// Same content; the times of the writes are those of the test.
#[track_caller]
pub fn assert_holds(found: &[Record], expected: &[Record]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.id(), expected.id());
        assert!(found.same_content(expected), "{found:?} is not {expected:?}");
    }
}

pub fn killed() -> Error {
    Error::new(ErrorKind::PermissionDenied, "commit", "killed")
}

/// A handle whose archive is in the order of the ids, so that a test knows
/// which batch an entity is in.
pub fn in_order(store: &Store) -> Probe {
    let mut probe = Probe::new(store.clone());
    probe.capabilities = Some(store.capabilities().with_max_scan_segments(1));
    probe
}

/// A handle that is killed before its `at`th commit, or after it.
pub fn dying(store: &Store, at: u64, after: bool) -> Store {
    let mut probe = in_order(store);
    if after {
        probe.on_committed =
            Box::new(move |number, answers| if number < at { Ok(answers) } else { Err(killed()) });
    } else {
        probe.on_commit =
            Box::new(move |number, writes| if number < at { Ok(writes) } else { Err(killed()) });
    }
    Arc::new(probe)
}

pub fn key(id: &str) -> Key {
    Key::new(name("machines"), id.parse().unwrap())
}

/// Somebody else's write.
pub async fn write(store: &Store, id: &str, fields: &str) {
    let document = Document::parse(&format!("{{\"id\":\"{id}\",{fields}}}")).unwrap();
    store.commit(vec![Write::put(key(id), document, Precondition::Any)]).await.unwrap();
}

pub async fn find(store: &Store, id: &str) -> (u64, String) {
    let records = store.get_many(&name("machines"), &[id.parse().unwrap()]).await.unwrap();
    let record = records[0].as_ref().unwrap();
    (record.version().get(), record.document().unwrap().as_str().to_owned())
}

#[tokio::test]
async fn every_document_is_upgraded_once_and_the_version_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(125);
    for (number, place) in Place::all().into_iter().enumerate() {
        let here = folder.path().join(number.to_string());
        let store = place.open(&here.join("store"), &schemas(), false).await.unwrap();
        store.prepare(&[schema("machines")]).await.unwrap();
        store.apply(old.clone()).await.unwrap();
        let report = run(&store, &here).await.unwrap();
        assert_eq!((report.outcome, report.versions), (UpgradeOutcome::Upgraded, vec![1, 2, 3]));
        let counts = report.counts;
        assert_eq!((counts.records, counts.tombstones, counts.upgraded), (125, 13, 112));
        assert_holds(&contents(&store, "machines").await, &new);
        assert_eq!(version_of(&store).await, 3, "{}", place.name);
        assert_eq!(store.store_record().await.unwrap().job, None);
        let archive = Archive::open(&report.backup.unwrap()).await.unwrap();
        archive.verify(&Silent).await.unwrap();
        assert_eq!(archive.manifest().collections[0].schema_version, 1);
        let report = run(&store, &here).await.unwrap();
        assert_eq!(report.outcome, UpgradeOutcome::Current);
        assert_holds(&contents(&store, "machines").await, &new);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_upgraded_is_found_before_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    let strict = declared(UPGRADES).get(&name("machines"));
    let text = strict.json_schema.as_ref().unwrap().to_string();
    let text =
        format!("{},\"properties\":{{\"price\":{{\"maximum\":100}}}}}}", &text[..text.len() - 1]);
    let strict: Schemas =
        [repo_core::CollectionSchema::parse(&text).unwrap()].into_iter().collect();
    let cases = [
        (schemas(), live("bad", 1, "\"price\":\"abc\""), "convert price to number"),
        (schemas(), live("bad", 1, "\"n\":1,\"size\":2"), "rename n to size"),
        (strict, live("bad", 1, "\"price\":\"100.5\""), "/price"),
    ];
    for (schemas, bad, rule) in cases {
        let (mut old, _) = records(30);
        old.push(bad);
        let probe = Arc::new(Probe::new(store_of(&old).await));
        let store: Store = probe.clone();
        let error = upgrade(&store, &schemas, &options(folder.path()), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let named = error.context_value("entities").unwrap();
        assert!(named.contains("machines/bad") && named.contains(rule), "{named}");
        assert_eq!(probe.write_count(), 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no archive");
    }
}

#[tokio::test]
async fn what_cannot_begin_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let probe = Arc::new(Probe::new(store_of(&records(10).0).await));
    let store: Store = probe.clone();
    let with = |change: fn(&mut UpgradeOptions)| {
        let mut options = options(folder.path());
        change(&mut options);
        options
    };
    let cases = [
        (declared("[]"), with(|_| ()), ErrorKind::Unsupported),
        (declared(r#"[{"from":2,"to":3,"steps":[]}]"#), with(|_| ()), ErrorKind::Unsupported),
        (schemas(), with(|it| it.to = 4), ErrorKind::ConfigInvalid),
        (schemas(), with(|it| it.collection = name("nowhere")), ErrorKind::ConfigInvalid),
        (declared(UPGRADES), with(|it| it.dry_run = true), ErrorKind::NotFound),
    ];
    for (schemas, options, kind) in cases {
        match upgrade(&store, &schemas, &options, &Silent).await {
            Ok(report) => {
                assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::DryRun, 9));
            }
            Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        }
        assert_eq!(probe.write_count(), 0);
    }
    assert_eq!(version_of(&store).await, 1);
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_one_commit_is_divided() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(50);
    for killed_after in [None, Some(5)] {
        let store = store_of(&old).await;
        let limited = |dies: Option<u64>| -> Store {
            let mut probe = Probe::new(store.clone());
            probe.on_commit = Box::new(|_, writes| match writes.len() {
                0..=3 => Ok(writes),
                _ => Err(Error::new(ErrorKind::LimitExceeded, "commit", "too many")),
            });
            probe.on_committed = Box::new(move |number, answers| match dies {
                Some(at) if number >= at => Err(killed()),
                _ => Ok(answers),
            });
            Arc::new(probe)
        };
        if killed_after.is_some() {
            run(&limited(killed_after), folder.path()).await.unwrap_err();
        }
        let report = run(&limited(None), folder.path()).await.unwrap();
        assert_eq!(report.counts.upgraded, 45);
        assert_holds(&contents(&store, "machines").await, &new);
    }
}

#[tokio::test]
async fn asked_to_end_it_ends_between_two_batches_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(100);
    let store = store_of(&old).await;
    let told = Told { stop_after: Some(3), ..Told::default() };
    let report = upgrade(&store, &schemas(), &options(folder.path()), &told).await.unwrap();
    assert_eq!((report.outcome, report.counts.records), (UpgradeOutcome::Interrupted, 30));
    let report = run(&store, folder.path()).await.unwrap();
    assert_eq!((report.outcome, report.resumed_after), (UpgradeOutcome::Upgraded, Some(30)));
    assert_holds(&contents(&store, "machines").await, &new);
}

#[tokio::test]
async fn while_it_is_unfinished_nothing_else_may_mix_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(50);
    let store = store_of(&old).await;
    refuse_unfinished_upgrade(&store, &name("machines")).await.unwrap();
    run(&dying(&store, 2, true), folder.path()).await.unwrap_err();
    let found = status(&store).await.unwrap().unwrap();
    assert_eq!((found.stage, found.copied[0].of, found.copied[0].counts.read), ("upgrade", 50, 10));

    let locked = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        let hint = error.hint_text().unwrap();
        assert!(hint.contains("resume the upgrade of machines to schema version 3"), "{hint}");
    };
    locked(refuse_unfinished_upgrade(&store, &name("machines")).await.unwrap_err());
    refuse_unfinished_upgrade(&store, &name("others")).await.unwrap();
    let backup = BackupOptions {
        collections: None,
        folder: folder.path().to_owned(),
        compression: CompressionLevel::default(),
        batch_size: NonZeroUsize::MIN,
        without_history: false,
    };
    locked(back_up(&store, &schemas(), &backup, &Silent).await.unwrap_err());
    let restart = MigrationOptions { restart: true, ..plain() };
    let other = store_of(&[]).await;
    locked(migrate(&store, &other, &schemas(), &restart, &Silent).await.unwrap_err());
    locked(migrate(&other, &store, &schemas(), &restart, &Silent).await.unwrap_err());
    let to_2 = UpgradeOptions { to: 2, ..options(folder.path()) };
    locked(upgrade(&store, &schemas(), &to_2, &Silent).await.unwrap_err());
    let later = repo_core::Timestamp::from_micros(1).unwrap();
    let purged = store.purge(&name("machines"), later).await;
    assert_eq!(purged.unwrap_err().kind(), ErrorKind::Locked);

    let others = declared(&UPGRADES.replace("new", "other"));
    let error = upgrade(&store, &others, &options(folder.path()), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("other upgrades"), "{error}");

    // The archive is what tells: without it nothing is guessed.
    let archive = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let away = folder.path().join("away");
    std::fs::rename(&archive, &away).unwrap();
    let error = run(&store, folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint_text().unwrap().contains("put it back"), "{error:?}");
    std::fs::rename(&away, &archive).unwrap();
    run(&store, folder.path()).await.unwrap();
    assert_holds(&contents(&store, "machines").await, &new);
    refuse_unfinished_upgrade(&store, &name("machines")).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_is_unfinished_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&records(10).0).await;
    store.update_store_record(beginning("p", "{}")).await.unwrap();
    let error = run(&store, folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.message().contains("a migration into this store"), "{error}");
}

#[tokio::test]
async fn a_store_that_refuses_for_now_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(30);
    let store = store_of(&old).await;
    let mut probe = Probe::new(store.clone());
    let busy = || Error::new(ErrorKind::Unavailable, "commit", "throttled");
    probe.on_commit =
        Box::new(move |number, writes| if number % 2 == 1 { Err(busy()) } else { Ok(writes) });
    let probe = Arc::new(probe);
    let patient = UpgradeOptions { patience: Duration::from_secs(60), ..options(folder.path()) };
    let report = upgrade(&(probe.clone() as Store), &schemas(), &patient, &Silent).await.unwrap();
    assert_eq!(report.outcome, UpgradeOutcome::Upgraded);
    assert_eq!(probe.commits.load(Ordering::SeqCst), 6);
    assert_holds(&contents(&store, "machines").await, &new);
}
