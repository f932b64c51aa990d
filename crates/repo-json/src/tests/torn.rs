//! A journal that ends anywhere, or holds one wrong byte.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategy as _;

use super::{Fixture, all, delete, restore, save, snapshot};
use crate::hooks::Hooks;
use crate::journal::JOURNAL_HEAD;

type Content = BTreeMap<String, (u64, Option<serde_json::Value>)>;

/// Files after a few commits without a checkpoint, and after each commit the
/// length of the journal and what the store held.
async fn written(fixture: &Fixture) -> (BTreeMap<String, Vec<u8>>, Vec<(usize, Content)>) {
    let store = fixture.prepared().await;
    save(&store, "machines", "base", 1).await;
    store.checkpoint().await.unwrap();
    let journal = fixture.file(".journal");
    let length = || usize::try_from(std::fs::metadata(&journal).unwrap().len()).unwrap();
    let mut ends = vec![(length(), all(&store).await)];
    for step in 0..4 {
        match step {
            0 => save(&store, "machines", "base", 2).await,
            1 => save(&store, "requests", "new", 3).await,
            2 => delete(&store, "machines", "base").await,
            _ => save(&store, "machines", "last", 4).await,
        }
        ends.push((length(), all(&store).await));
    }
    (snapshot(&fixture.path()), ends)
}

#[tokio::test]
async fn a_journal_torn_at_any_byte_gives_the_commits_before_it() {
    // Nothing here depends on syncs, and there would be thousands.
    let fixture = Fixture::new(serde_json::json!({ "sync_writes": false }));
    let (files, ends) = written(&fixture).await;
    let whole = &files[".journal"];
    for cut in usize::try_from(JOURNAL_HEAD).unwrap()..=whole.len() {
        let mut torn = files.clone();
        torn.insert(".journal".to_owned(), whole[..cut].to_vec());
        let folder = restore(&torn);
        let expected = &ends.iter().rev().find(|(end, _)| *end <= cut).unwrap().1;
        let reader = fixture.try_open(folder.path(), true, Hooks::default()).unwrap();
        assert_eq!(all(&reader).await, *expected, "cut at {cut}");
        assert_eq!(snapshot(folder.path()), torn, "cut at {cut}: reading changes nothing");
        let writer = fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
        save(&writer, "machines", "after", 5).await;
        let mut now = expected.clone();
        now.insert("machines/after".to_owned(), all(&writer).await["machines/after"].clone());
        assert_eq!(now.len(), expected.len() + 1);
        assert_eq!(all(&writer).await, now);
        assert_eq!(all(&reader).await, now, "cut at {cut}: the reader catches up");
        drop(writer);
        let again = fixture.try_open(folder.path(), true, Hooks::default()).unwrap();
        assert_eq!(all(&again).await, now, "cut at {cut}: after reopening");
    }
}

#[tokio::test]
async fn a_wrong_byte_in_the_last_frame_drops_that_frame() {
    let fixture = Fixture::single();
    let (files, ends) = written(&fixture).await;
    let (from, expected) = &ends[ends.len() - 2];
    for at in *from..files[".journal"].len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut damaged = files.clone();
            damaged.get_mut(".journal").unwrap()[at] ^= flip;
            let folder = restore(&damaged);
            let reader = fixture.try_open(folder.path(), true, Hooks::default()).unwrap();
            assert_eq!(all(&reader).await, *expected, "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_wrong_byte_before_a_sound_frame_is_corrupt() {
    let fixture = Fixture::single();
    let (files, ends) = written(&fixture).await;
    let last = ends[ends.len() - 2].0;
    for at in 0..last {
        let mut damaged = files.clone();
        damaged.get_mut(".journal").unwrap()[at] ^= 0x10;
        let folder = restore(&damaged);
        for read_only in [true, false] {
            let error = fixture.try_open(folder.path(), read_only, Hooks::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
            assert!(error.context_value("file").unwrap().ends_with(".journal"));
            let frame = ends.iter().rev().map(|(end, _)| *end).find(|end| *end <= at).unwrap_or(0);
            assert_eq!(error.context_value("byte").unwrap(), frame.to_string());
            assert!(error.hint_text().unwrap().contains("resolve"));
            assert_eq!(snapshot(folder.path()), damaged, "byte {at}: nothing is changed");
        }
    }
}

#[tokio::test]
async fn a_tail_of_zeros_is_dropped() {
    let fixture = Fixture::single();
    let (mut files, ends) = written(&fixture).await;
    files.get_mut(".journal").unwrap().extend(std::iter::repeat_n(0, 9_000));
    let folder = restore(&files);
    let store = fixture.try_open(folder.path(), false, Hooks::default()).unwrap();
    assert_eq!(all(&store).await, ends.last().unwrap().1);
    let length = std::fs::metadata(folder.path().join(".journal")).unwrap().len();
    assert_eq!(length, ends.last().unwrap().0 as u64);
}

#[tokio::test]
async fn a_commit_of_the_torn_length_is_not_overlooked() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    let path = fixture.file(".journal");
    let before = std::fs::metadata(&path).unwrap().len();
    save(&store, "machines", "b", 2).await;
    let frame = std::fs::metadata(&path).unwrap().len() - before;
    drop(store);
    // As if the second commit had been torn off in its last byte.
    let journal = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    journal.write_all_at(&[0], before + frame - 1).unwrap();
    let reader = fixture.open_read_only();
    assert_eq!(all(&reader).await.len(), 1);
    let writer = fixture.open();
    save(&writer, "machines", "c", 2).await;
    assert_eq!(std::fs::metadata(&path).unwrap().len(), before + frame);
    assert!(all(&reader).await.contains_key("machines/c"));
}
