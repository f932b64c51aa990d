//! Histories in files: what is in them, how many there are, what is damaged or gone.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use repo_core::strategy::{
    Applied, HistoryState, OlderState, OlderThan, OlderVersion, Record, StorageStrategy,
    StoreUpdate, VersionWrite,
};
use repo_core::{Entity, EntityId, ErrorKind, HealthDepth, Timestamp, Version};
use serde_json::{Value as Json, json};

use super::{Fixture, delete, document, key, name, save};
use crate::strategy::JsonStrategy;

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

pub(super) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

pub(super) async fn set_history(store: &dyn StorageStrategy, history: Option<HistoryState>) {
    let expected = store.store_record().await.unwrap().history.get(&name("machines")).copied();
    let update = StoreUpdate::History { collection: name("machines"), expected, history };
    store.update_store_record(update).await.unwrap();
}

/// A prepared store that keeps the history of `machines`.
pub(super) async fn keeping(fixture: &Fixture) -> JsonStrategy {
    let store = fixture.prepared().await;
    set_history(&store, Some(HistoryState::new(at(0)))).await;
    store
}

pub(super) async fn try_older(
    store: &dyn StorageStrategy,
    id: &str,
    below: u64,
    most: usize,
) -> repo_core::Result<Vec<OlderVersion>> {
    let of = [OlderThan::new(EntityId::new(id).unwrap(), version(below))];
    store.older_versions(&name("machines"), &of, NonZeroUsize::new(most).unwrap()).await
}

/// Every older version of a machine.
pub(super) async fn older(store: &dyn StorageStrategy, id: &str) -> Vec<OlderVersion> {
    try_older(store, id, Version::MAX, usize::MAX).await.unwrap()
}

pub(super) fn numbers(versions: &[OlderVersion]) -> Vec<u64> {
    versions.iter().map(|older| older.version.get()).collect()
}

/// A live version that was added, with a document of its own.
pub(super) fn added(id: &str, number: u64) -> VersionWrite {
    let state = OlderState::Live { created_at: at(1), document: document(id, number) };
    VersionWrite::Add(OlderVersion::new(EntityId::new(id).unwrap(), version(number), at(2), state))
}

pub(super) fn clear(id: &str, number: u64) -> VersionWrite {
    VersionWrite::Clear(EntityId::new(id).unwrap(), version(number))
}

pub(super) fn remove(id: &str, number: u64) -> VersionWrite {
    VersionWrite::Remove(EntityId::new(id).unwrap(), version(number))
}

pub(super) async fn write(store: &JsonStrategy, writes: Vec<VersionWrite>) -> Vec<Applied> {
    store.write_versions(&name("machines"), writes).await.unwrap()
}

pub(super) fn files(fixture: &Fixture) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fixture.file(".history")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn lines(fixture: &Fixture) -> Vec<Json> {
    let texts = files(fixture).into_iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(parsed).collect::<Vec<_>>()).collect()
}

fn parsed(line: &str) -> Json {
    serde_json::from_str(line).unwrap()
}

pub(super) async fn is_sound(store: &JsonStrategy, deep: bool) -> bool {
    let progress = std::sync::Arc::new(|_: &repo_core::CollectionName, _: u64| {});
    let depth = if deep { HealthDepth::Deep(progress) } else { HealthDepth::Quick };
    store.health(&depth).await.unwrap().is_ok()
}

#[tokio::test]
async fn a_file_of_the_history_is_lines_that_any_tool_can_read() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    for n in 1..=2 {
        save(&store, "machines", "b", n).await;
        save(&store, "machines", "a", n).await;
        save(&store, "requests", "of no history", n).await;
    }
    delete(&store, "machines", "a").await;
    save(&store, "machines", "a", 4).await;
    write(&store, vec![clear("a", 1)]).await;
    assert!(!fixture.file(".history").exists(), "a commit writes nothing for it");
    store.checkpoint().await.unwrap();
    let time = "2026-03-01T08:00:00.000000Z";
    let mut found = lines(&fixture);
    for line in &mut found {
        let sum = line.as_object_mut().unwrap().remove("crc32").unwrap();
        assert_eq!(sum.as_str().unwrap().len(), 8);
    }
    let live = |id: &str, version: u64| {
        let document: Json = document(id, version).deserialize().unwrap();
        json!({ "id": id, "version": version, "created_at": time, "updated_at": time,
            "document": document })
    };
    let not_live = |version: u64, state: &str| json!({ "id": "a", "version": version, "updated_at": time, "state": state });
    let expected = [not_live(3, "deleted"), live("a", 2), not_live(1, "removed"), live("b", 1)];
    assert_eq!(found, expected);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(files(&fixture), [fixture.file(".history/machines-0000000002.jsonl")]);
    assert_eq!(mode(files(&fixture).remove(0)), 0o600);
    assert_eq!(mode(fixture.file(".history")), 0o700);
}

#[tokio::test]
async fn a_history_adds_nothing_to_a_commit() {
    let bytes = |on: bool| async move {
        let fixture = Fixture::single();
        let store = if on { keeping(&fixture).await } else { fixture.prepared().await };
        save(&store, "machines", "a", 1).await;
        let before = fs::metadata(fixture.file(".journal")).unwrap().len();
        save(&store, "machines", "a", 2).await;
        fs::metadata(fixture.file(".journal")).unwrap().len() - before
    };
    assert_eq!(bytes(true).await, bytes(false).await);
}

/// As many files as the length of the history has bits, at most.
#[tokio::test]
async fn many_checkpoints_leave_few_files() {
    let fixture = Fixture::split();
    let store = keeping(&fixture).await;
    let (mut most, mut written, mut total) = (0, 0, 0_u64);
    for n in 0..100_u64 {
        save(&store, "machines", "always", n).await;
        save(&store, "machines", &format!("m-{}", n % 7), n).await;
        store.checkpoint().await.unwrap();
        let sizes: Vec<u64> =
            files(&fixture).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
        for (at, size) in sizes.iter().enumerate() {
            // What was new is only estimated before it is written.
            assert!(2 * size > sizes[at + 1..].iter().sum::<u64>(), "{n}: {sizes:?}");
        }
        most = most.max(sizes.len());
        written += sizes.last().unwrap_or(&0);
        total = sizes.iter().sum();
    }
    assert!((2..=8).contains(&most), "{most} files");
    assert!(written < 8 * total, "each line is written a few times: {written} of {total}");
    assert_eq!(numbers(&older(&store, "always").await), (1..100).rev().collect::<Vec<_>>());
    for id in 0..7 {
        let kept = older(&store, &format!("m-{id}")).await;
        assert!((13..=14).contains(&kept.len()));
    }
    assert!(is_sound(&store, true).await);
}

/// A document that was cleared or removed is in no file after the next checkpoint.
#[tokio::test]
async fn what_is_forgotten_is_gone_from_the_files() {
    let fixture = Fixture::split();
    let store = keeping(&fixture).await;
    for round in 1..=40 {
        save(&store, "machines", "a", 1_000 + round).await;
        if round % 4 == 0 {
            store.checkpoint().await.unwrap();
        }
    }
    assert!(files(&fixture).len() > 1);
    let text =
        || files(&fixture).iter().map(|p| fs::read_to_string(p).unwrap()).collect::<String>();
    for (number, in_file) in [(2, true), (17, true), (38, true)] {
        let document = document("a", 1_000 + number).as_str().to_owned();
        assert_eq!(text().contains(&document), in_file);
        let forget = if number == 17 { clear("a", number) } else { remove("a", number) };
        assert_eq!(write(&store, vec![forget]).await, [Applied::Applied]);
        store.checkpoint().await.unwrap();
        assert!(!text().contains(&document), "{number}");
        assert!(!text().contains("forgotten"), "no mark is needed");
    }
    // Also where another one was added in its place before the checkpoint.
    let document = document("a", 1_021).as_str().to_owned();
    assert!(text().contains(&document));
    write(&store, vec![remove("a", 21)]).await;
    write(&store, vec![added("a", 21)]).await;
    store.checkpoint().await.unwrap();
    assert!(!text().contains(&document));
    let expected: Vec<u64> = (1..40).rev().filter(|n| ![2, 38].contains(n)).collect();
    assert_eq!(numbers(&older(&store, "a").await), expected);
    assert!(is_sound(&store, true).await);
}

/// What a write replaces counts, also where a file has another one of its number.
#[tokio::test]
async fn a_write_replaces_what_was_added_and_is_in_a_file() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    save(&store, "machines", "a", 1).await;
    write(&store, vec![added("a", 1), added("b", 1), added("b", 2), added("b", 3)]).await;
    for _ in 0..3 {
        // Enough that the file is not merged at once.
        let more: Vec<_> = (10..60).map(|n| added("c", n)).collect();
        write(&store, more).await;
        store.checkpoint().await.unwrap();
    }
    save(&store, "machines", "a", 2).await;
    let expected = older(&store, "a").await;
    assert_eq!(expected[0].updated_at, Timestamp::parse("2026-03-01T08:00:00Z").unwrap());
    write(&store, vec![remove("b", 2)]).await;
    write(&store, vec![added("b", 2)]).await;
    for round in 0..2 {
        store.checkpoint().await.unwrap();
        assert_eq!(older(&store, "a").await, expected, "{round}");
        assert_eq!(numbers(&older(&store, "b").await), [3, 2, 1], "{round}");
        save(&store, "machines", "d", round).await;
        save(&store, "machines", "d", round).await;
    }
}

#[tokio::test]
async fn a_history_that_ends_leaves_no_file() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    for n in 0..3 {
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
    }
    let kept = super::feed_crash::copy_of(&fixture.path());
    assert!(!files(&fixture).is_empty());
    set_history(&store, None).await;
    assert!(!fixture.file(".history").exists());
    drop(store);
    // As after a crash before the files were removed, and in the midst of it.
    for some in [true, false] {
        fs::create_dir_all(fixture.file(".history")).unwrap();
        let entries = fs::read_dir(kept.path().join(".history")).unwrap();
        for entry in entries.skip(usize::from(some)) {
            let path = entry.unwrap().path();
            fs::copy(&path, fixture.file(".history").join(path.file_name().unwrap())).unwrap();
        }
        let reader = fixture.open_read_only();
        let error = try_older(&reader, "a", 9, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let store = fixture.open();
        assert!(!fixture.file(".history").exists(), "the next writer removes them");
        drop(store);
    }
    let store = fixture.open();
    set_history(&store, Some(HistoryState::new(at(5)))).await;
    assert_eq!(older(&store, "a").await, []);
    save(&store, "machines", "a", 5).await;
    store.checkpoint().await.unwrap();
    assert_eq!(numbers(&older(&store, "a").await), [3]);
}

fn records(id: &str, versions: std::ops::Range<u64>) -> Vec<Record> {
    let record = |number| {
        Record::Live(Entity {
            collection: name("machines"),
            id: EntityId::new(id).unwrap(),
            version: version(number),
            created_at: at(1),
            updated_at: at(number.cast_signed()),
            document: document(id, number),
        })
    };
    versions.map(record).collect()
}

#[tokio::test]
async fn one_key_has_many_versions() {
    let fixture = Fixture::new(json!({ "sync_writes": false }));
    let store = keeping(&fixture).await;
    let last = 50_001;
    for first in (1..=last).step_by(5_000) {
        store.apply(records("a", first..(first + 5_000).min(last + 1))).await.unwrap();
    }
    for round in 0..2 {
        let mut below = last;
        while below > 1 {
            let page = try_older(&store, "a", below, 7_000).await.unwrap();
            let expected: Vec<u64> = (1..below).rev().take(7_000).collect();
            assert_eq!(numbers(&page), expected);
            below = page.last().unwrap().version.get();
        }
        let one = try_older(&store, "a", 25_000, 1).await.unwrap();
        assert_eq!(one[0].updated_at, at(24_999), "{round}");
        store.checkpoint().await.unwrap();
    }
    assert!(files(&fixture).len() < 8);
    assert!(is_sound(&store, true).await);
}

#[tokio::test]
async fn many_keys_have_one_version_each() {
    let fixture = Fixture::new(json!({ "sync_writes": false }));
    let store = keeping(&fixture).await;
    let id = |n: u64| format!("m-{n:05}");
    for n in 1..=2 {
        for first in (0..20_000).step_by(2_000) {
            let all: Vec<_> =
                (first..first + 2_000).flat_map(|m| records(&id(m), n..n + 1)).collect();
            store.apply(all).await.unwrap();
        }
        store.checkpoint().await.unwrap();
    }
    let of: Vec<OlderThan> = (0..20_000)
        .step_by(7)
        .map(|n| OlderThan::new(EntityId::new(&id(n)).unwrap(), version(2)))
        .collect();
    let found = store.older_versions(&name("machines"), &of, NonZeroUsize::MAX).await.unwrap();
    assert_eq!(found.len(), of.len());
    assert!(found.iter().zip(&of).all(|(found, of)| found.id == of.id));
    // Two steps of a search for each bit, not a line for each.
    assert!(is_sound(&store, true).await);
}

/// Lines of very different lengths are found all the same.
#[tokio::test]
async fn long_lines_among_short_ones_are_found() {
    let fixture = Fixture::new(json!({ "sync_writes": false }));
    let store = keeping(&fixture).await;
    let long = |id: &str, n: u64| {
        let text = "x".repeat(if n.is_multiple_of(5) { 300_000 } else { 10 });
        repo_core::Document::from_serialize(&json!({ "id": id, "n": n, "text": text })).unwrap()
    };
    let ids = ["a", "a/b#c", "'; DROP", "../../up", "\u{10ffff}", "\"\\\"", "é", "a-1.jsonl"];
    use repo_core::strategy::StorageStrategyExt as _;
    for n in 1..=12 {
        for id in ids {
            store.save(key("machines", id), long(id, n)).await.unwrap();
        }
    }
    store.checkpoint().await.unwrap();
    for id in ids {
        for below in 1..=13 {
            let found = try_older(&store, id, below, 2).await.unwrap();
            let expected: Vec<u64> = (1..below.min(12)).rev().take(2).collect();
            assert_eq!(numbers(&found), expected, "{id} below {below}");
            for older in found {
                let OlderState::Live { document, .. } = &older.state else { panic!("{older:?}") };
                assert!(document.equals(&long(id, older.version.get())));
            }
        }
    }
    for id in ["", "0", "b", "\u{10fffe}"].into_iter().filter(|id| !id.is_empty()) {
        assert_eq!(older(&store, id).await, []);
    }
}
