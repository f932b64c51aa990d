//! Archives made of one store and restored into another.

use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::StoreUpdate;
use repo_core::{CollectionSchema, ErrorKind, Schemas};
use repo_migrate::{
    Archive, ArchiveDirectory, BackupOptions, CompressionLevel, Outcome, RestoreOptions, Role,
    Silent, VerifyOptions, archived_schemas, back_up, restore, verify,
};

use crate::places::Place;
use crate::stores::{
    Probe, Store, contents, cut_off, empty, fill, gone, hostile, live, many, name, schema, schemas,
    store,
};

fn options(folder: &Path) -> BackupOptions {
    BackupOptions {
        collections: None,
        folder: folder.to_owned(),
        compression: CompressionLevel::default(),
        batch_size: std::num::NonZeroUsize::new(100).unwrap(),
        without_history: false,
    }
}

async fn archive_of(store: &Store, folder: &Path) -> Archive {
    back_up(store, &schemas(&["machines"]), &options(folder), &Silent).await.unwrap()
}

#[tokio::test]
async fn an_archive_of_each_store_restores_equal_into_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas(&["machines", "requests"]);
    let mut all = many(300);
    all.extend(hostile());
    for (number, (from, into)) in Place::pairs().into_iter().enumerate() {
        let what = format!("{} into {}", from.name, into.name);
        let here = folder.path().join(number.to_string());
        let source = from.open(&here.join("source"), &schemas, false).await.unwrap();
        fill(&source, &all).await;
        source.prepare(&[schema("requests")]).await.unwrap();
        let collection = name("requests");
        source.update_store_record(StoreUpdate::RaiseFloor { collection, floor: 7 }).await.unwrap();
        let archive = back_up(&source, &schemas, &options(&here), &Silent).await.unwrap();
        assert_eq!(archive.manifest().role, Role::Store);
        let file_name = archive.path().file_name().unwrap().to_str().unwrap();
        assert!(file_name.starts_with("backup_"), "{file_name}");

        let target = into.open(&here.join("target"), &schemas, false).await.unwrap();
        let wanted = RestoreOptions::default();
        let report = restore(&archive, &target, &schemas, &wanted, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.applied), (Outcome::Verified, 316), "{what}");
        assert!(report.source.starts_with("archive:/"), "{}", report.source);
        assert!(
            verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal,
            "{what}"
        );
        assert_eq!(contents(&target, "machines").await, contents(&source, "machines").await);
        let record = target.store_record().await.unwrap();
        assert_eq!((record.collections[&name("requests")].floor, record.job), (7, None));

        // What is there already is no reason to refuse.
        let report = restore(&archive, &target, &schemas, &wanted, &Silent).await.unwrap();
        assert_eq!((report.outcome, report.totals.equal), (Outcome::Verified, 316), "{what}");
        target.close().await.unwrap();
        source.close().await.unwrap();
    }
}

#[tokio::test]
async fn live_records_are_never_replaced_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of(&store(&many(50)).await, folder.path()).await;
    let held: [&[_]; 3] =
        [&[live("m-00001", 1, "\"mine\":1")], &[live("mine", 3, "")], &[gone("mine", 3)]];
    for held in held {
        let target = Arc::new(Probe::new(store(held).await));
        let into: Store = target.clone();
        let schemas = schemas(&["machines"]);
        let error = restore(&archive, &into, &schemas, &RestoreOptions::default(), &Silent)
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::AlreadyExists, "restore"));
        let id = held[0].id().as_str();
        assert!(error.context_value("records").unwrap().contains(id), "{error}");
        assert!(error.hint_text().unwrap().contains("empty store"));
        assert_eq!(target.write_count(), 0);
    }
}

#[tokio::test]
async fn a_target_full_of_other_records_is_refused_without_reading_the_archive_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of(&store(&many(5)).await, folder.path()).await;
    let others: Vec<_> = (0..5_000).map(|n| live(&format!("other-{n}"), 1, "")).collect();
    let target = store(&others).await;
    let schemas = schemas(&["machines"]);
    let error = restore(&archive, &target, &schemas, &RestoreOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.message().contains("at least 1000 differ"), "{error}");
}

#[tokio::test]
async fn a_damaged_archive_is_refused_before_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of(&store(&many(200)).await, folder.path()).await;
    let file = archive.path().join("machines.jsonl.zst");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let target = Arc::new(Probe::new(empty()));
    let into: Store = target.clone();
    let error =
        restore(&archive, &into, &schemas(&["machines"]), &RestoreOptions::default(), &Silent)
            .await
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(target.write_count(), 0);
}

#[tokio::test]
async fn an_entity_that_the_store_cannot_hold_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = many(50);
    records.push(live("large", 1, &format!("\"text\":\"{}\"", "x".repeat(2_000))));
    let archive = archive_of(&store(&records).await, folder.path()).await;
    let options = repo_core::strategy::OpenOptions::default().with_max_entity_bytes(1_000);
    let target = Arc::new(Probe::new(Arc::new(repo_core::MemoryStrategy::new(options))));
    let into: Store = target.clone();
    let error =
        restore(&archive, &into, &schemas(&["machines"]), &RestoreOptions::default(), &Silent)
            .await
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.context_value("entities").unwrap().contains("machines/large"), "{error}");
    assert_eq!(target.write_count(), 0);
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_repeated_by_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&many(1_000)).await;
    let archive = archive_of(&source, folder.path()).await;
    let target = empty();
    let mut probe = Probe::new(target.clone());
    probe.on_apply =
        Box::new(|number, records| if number == 3 { Err(cut_off()) } else { Ok(records) });
    let into: Store = Arc::new(probe);
    let (patience, batch_size) = (std::time::Duration::ZERO, options(folder.path()).batch_size);
    let schemas = schemas(&["machines"]);
    let options = RestoreOptions { patience, batch_size, ..RestoreOptions::default() };
    restore(&archive, &into, &schemas, &options, &Silent).await.unwrap_err();
    let job = target.store_record().await.unwrap().job.unwrap();
    assert!(job.progress().contains("archive:/"), "{}", job.progress());
    let report = restore(&archive, &target, &schemas, &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap().equal);
}

#[tokio::test]
async fn records_come_back_under_the_schema_that_they_were_written_with() {
    let folder = tempfile::tempdir().unwrap();
    let text = |version: u32, field: &str| {
        format!(
            r#"{{"x-repository":{{"collection":"machines","idField":"{field}","schemaVersion":{version}}}}}"#
        )
    };
    let kept = CollectionSchema::parse(&text(2, "id")).unwrap();
    let source = empty();
    source.prepare(std::slice::from_ref(&kept)).await.unwrap();
    source.apply(many(20)).await.unwrap();
    let of_kept: Schemas = [kept.clone()].into_iter().collect();
    let archive = back_up(&source, &of_kept, &options(folder.path()), &Silent).await.unwrap();
    for (version, field, same) in [(2, "id", true), (3, "id", false), (2, "machine_id", false)] {
        let declared = CollectionSchema::parse(&text(version, field)).unwrap();
        let others = schema("requests");
        let all: Schemas = [declared.clone(), others.clone()].into_iter().collect();
        let chosen = archived_schemas(&archive, &all).unwrap();
        let expected = if same { declared } else { kept.clone() };
        assert_eq!(chosen.get(&name("machines")), expected);
        assert_eq!(chosen.get(&name("requests")), others);
        let target = empty();
        let report =
            restore(&archive, &target, &chosen, &RestoreOptions::default(), &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Verified);
        let record = target.store_record().await.unwrap();
        assert_eq!(record.collections[&name("machines")].schema_version, 2);
    }
}

#[tokio::test]
async fn a_higher_level_compresses_more() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&many(2_000)).await;
    let mut sizes = Vec::new();
    for level in [1, 19] {
        let compression = CompressionLevel::new(level).unwrap();
        let options = BackupOptions { compression, ..options(folder.path()) };
        let made = back_up(&source, &schemas(&["machines"]), &options, &Silent).await.unwrap();
        sizes.push(made.manifest().file_bytes());
    }
    assert!(sizes[1] < sizes[0], "{sizes:?}");
    assert!(CompressionLevel::new(0).is_err() && CompressionLevel::new(20).is_err());
}

fn keep(number: usize) -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::new(number).unwrap()
}

#[tokio::test]
async fn pruning_keeps_the_newest_sound_archives_of_each_store() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (store(&many(20)).await, store(&many(30)).await);
    let mut of_one = Vec::new();
    for _ in 0..4 {
        of_one.push(archive_of(&one, folder.path()).await.path().to_owned());
    }
    let of_two = archive_of(&two, folder.path()).await.path().to_owned();
    // The newest is damaged: it does not count, and stays.
    std::fs::write(of_one[3].join("machines.jsonl.zst"), "gone").unwrap();
    std::fs::create_dir(folder.path().join("something of mine")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();

    let directory = ArchiveDirectory::read(folder.path()).await.unwrap();
    assert_eq!(directory.archives.len(), 5);
    let pruned = directory.prune(folder.path(), keep(2), true, &Silent).await.unwrap();
    assert_eq!(pruned.removed, [of_one[0].clone()]);
    assert!(of_one[0].exists(), "a dry run removes nothing");

    let directory = ArchiveDirectory::read(folder.path()).await.unwrap();
    let pruned = directory.prune(folder.path(), keep(2), false, &Silent).await.unwrap();
    assert_eq!(pruned.removed, [of_one[0].clone()]);
    assert_eq!(pruned.damaged.len(), 1);
    let there: Vec<bool> = of_one.iter().map(|path| path.exists()).collect();
    assert_eq!((there, of_two.exists()), (vec![false, true, true, true], true));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 6, "nothing hidden is left, and what is not ours stays");
}

#[tokio::test]
async fn leftovers_of_killed_runs_are_found_and_removed_but_not_those_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let made = archive_of(&store(&many(20)).await, folder.path()).await;
    let dead = folder.path().join(".unfinished_backup_dead");
    let half = folder.path().join(".removed_backup_half");
    let alive = folder.path().join(".unfinished_backup_alive");
    for path in [&dead, &half, &alive] {
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("machines.jsonl.zst"), "part").unwrap();
    }
    let held = std::fs::File::open(&alive).unwrap();
    fs2::FileExt::lock_exclusive(&held).unwrap();

    let directory = ArchiveDirectory::read(folder.path()).await.unwrap();
    let found: Vec<(bool, &Path)> =
        directory.leftovers.iter().map(|one| (one.in_use, one.path.as_path())).collect();
    assert_eq!(found, [(false, half.as_path()), (true, alive.as_path()), (false, dead.as_path())]);
    let pruned = directory.prune(folder.path(), keep(1), false, &Silent).await.unwrap();
    assert_eq!(pruned.leftovers, [half.clone(), dead.clone()]);
    assert_eq!(pruned.in_use, std::slice::from_ref(&alive));
    assert!(alive.exists() && !dead.exists() && !half.exists() && made.path().exists());
}

#[tokio::test]
async fn a_folder_without_a_sound_manifest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("backup_20260301T000000Z")).unwrap();
    let renamed = folder.path().join("renamed");
    std::fs::create_dir(&renamed).unwrap();
    std::fs::write(renamed.join("manifest.json"), "{}").unwrap();
    let directory = ArchiveDirectory::read(folder.path()).await.unwrap();
    assert_eq!((directory.archives.len(), directory.damaged.len()), (0, 2));
    let error = ArchiveDirectory::read(&folder.path().join("nowhere")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
