//! The change feed in kept journals: what is there, what is damaged, what is gone.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use repo_core::strategy::{CaptureHolder, FeedPosition, StorageStrategy as _, StoreUpdate};
use repo_core::{ErrorKind, HealthDepth};

use super::feed_crash::copy_into;
use super::{Fixture, save};
use crate::resolve::Keep;
use crate::strategy::JsonStrategy;

pub(super) fn holder() -> CaptureHolder {
    CaptureHolder::new("consumer", "a").unwrap()
}

pub(super) async fn hold(store: &JsonStrategy) {
    store.update_store_record(StoreUpdate::HoldCapture(holder())).await.unwrap();
}

/// Ids and versions after a position, read in pages.
pub(super) async fn changes(
    store: &JsonStrategy,
    begin: &FeedPosition,
    page: usize,
) -> Vec<(String, u64)> {
    let (mut at, mut all) = (begin.clone(), Vec::new());
    loop {
        let found = store.changes(Some(&at), NonZeroUsize::new(page).unwrap()).await.unwrap();
        if found.changes.is_empty() {
            assert_eq!(found.next, store.head().await.unwrap());
            return all;
        }
        all.extend(found.changes.iter().map(|c| (c.key.id.to_string(), c.version.get())));
        at = found.next;
    }
}

async fn refused(store: &JsonStrategy, after: Option<&FeedPosition>) -> repo_core::Error {
    store.changes(after, NonZeroUsize::MIN).await.unwrap_err()
}

fn kept(fixture: &Fixture) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(fixture.file(".changes")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A store with `journals` journals kept, one change in each and one in the journal.
async fn captured(fixture: &Fixture, journals: u64) -> (JsonStrategy, FeedPosition) {
    let store = fixture.prepared().await;
    store.checkpoint().await.unwrap();
    hold(&store).await;
    let begin = store.head().await.unwrap();
    for n in 1..=journals {
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
    }
    save(&store, "machines", "a", 0).await;
    (store, begin)
}

fn versions(count: u64) -> Vec<(String, u64)> {
    (1..=count).map(|version| ("a".to_owned(), version)).collect()
}

#[tokio::test]
async fn journals_are_kept_as_long_as_they_are_needed() {
    let fixture = Fixture::single();
    let (store, begin) = captured(&fixture, 3).await;
    assert_eq!(changes(&store, &begin, 1).await, versions(4));
    let files = kept(&fixture);
    assert_eq!(files.len(), 3);
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let folder = fs::metadata(fixture.file(".changes")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let page = store.changes(Some(&begin), NonZeroUsize::new(2).unwrap()).await.unwrap();
    store.trim_changes(&page.next).await.unwrap();
    store.checkpoint().await.unwrap();
    assert_eq!(kept(&fixture)[..1], files[2..], "two are gone, one came");
    assert_eq!(changes(&store, &page.next, 1).await, versions(4)[2..]);
    assert_eq!(refused(&store, Some(&begin)).await.kind(), ErrorKind::FeedExpired);
    store.update_store_record(StoreUpdate::ReleaseCapture(holder())).await.unwrap();
    assert!(!fixture.file(".changes").exists());
    save(&store, "machines", "a", 9).await;
    store.checkpoint().await.unwrap();
    assert!(!fixture.file(".changes").exists(), "nothing is kept while capture is off");
}

#[tokio::test]
async fn capture_adds_nothing_to_a_commit() {
    let bytes = |on: bool| async move {
        let fixture = Fixture::single();
        let store = fixture.prepared().await;
        if on {
            hold(&store).await;
        }
        let before = fs::metadata(fixture.file(".journal")).unwrap().len();
        save(&store, "machines", "a", 1).await;
        fs::metadata(fixture.file(".journal")).unwrap().len() - before
    };
    assert_eq!(bytes(true).await, bytes(false).await);
}

#[tokio::test]
async fn a_kept_journal_that_is_gone_expires_what_it_held() {
    let fixture = Fixture::single();
    let (store, begin) = captured(&fixture, 3).await;
    let files = kept(&fixture);
    fs::remove_file(&files[1]).unwrap();
    let first = store.changes(Some(&begin), NonZeroUsize::MAX).await.unwrap();
    assert_eq!(first.changes.len(), 1, "what is before it is delivered");
    let error = refused(&store, Some(&first.next)).await;
    assert_eq!(error.kind(), ErrorKind::FeedExpired);
    assert!(error.hint_text().unwrap().contains("head of the feed"));
    assert!(!store.health(&HealthDepth::Quick).await.unwrap().is_ok());
    fs::remove_dir_all(fixture.file(".changes")).unwrap();
    assert_eq!(refused(&store, Some(&begin)).await.kind(), ErrorKind::FeedExpired);
    assert_eq!(refused(&store, None).await.kind(), ErrorKind::FeedExpired);
    // As the hint says.
    let head = store.head().await.unwrap();
    store.trim_changes(&head).await.unwrap();
    save(&store, "machines", "a", 7).await;
    store.checkpoint().await.unwrap();
    assert_eq!(changes(&store, &head, 9).await, versions(5)[4..]);
    assert!(store.health(&HealthDepth::Quick).await.unwrap().is_ok());
}

/// Reads until something is refused: whatever comes is right, and if not all comes,
/// the reason is a damaged file. Gives how many came.
async fn sound_part(store: &JsonStrategy, begin: &FeedPosition, all: u64, at: &str) -> usize {
    let (mut position, mut seen) = (begin.clone(), Vec::new());
    loop {
        match store.changes(Some(&position), NonZeroUsize::MAX).await {
            Ok(found) if found.changes.is_empty() => {
                assert_eq!(seen, versions(all), "{at}");
                return seen.len();
            }
            Ok(found) => {
                seen.extend(found.changes.iter().map(|c| (c.key.id.to_string(), c.version.get())));
                position = found.next;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}: {error}");
                assert!(error.hint_text().is_some() && error.context_value("file").is_some());
                assert_eq!(seen, versions(all)[..seen.len()], "{at}");
                return seen.len();
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_kept_journal_is_refused_in_words() {
    let fixture = Fixture::single();
    let (store, begin) = captured(&fixture, 3).await;
    let files = kept(&fixture);
    let sound = fs::read(&files[1]).unwrap();
    let span = files[1].file_name().unwrap().to_str().unwrap().to_owned();
    let places: Vec<usize> = span.split('-').map(|part| part.parse().unwrap()).collect();
    // Behind its changes stands the checkpoint, which holds none.
    let behind = 20 + places[1] - places[0];
    for at in 0..sound.len() {
        let mut spoiled = sound.clone();
        spoiled[at] ^= 0x10;
        fs::write(&files[1], spoiled).unwrap();
        let came = sound_part(&store, &begin, 4, &format!("byte {at}")).await;
        assert_eq!(came, if at < behind { 1 } else { 4 }, "byte {at}");
    }
    for len in [0, 10, behind - 1] {
        fs::write(&files[1], &sound[..len]).unwrap();
        assert_eq!(sound_part(&store, &begin, 4, &format!("{len} bytes")).await, 1);
    }
    // Another one in its place.
    fs::copy(&files[2], &files[1]).unwrap();
    assert_eq!(sound_part(&store, &begin, 4, "another").await, 1);
}

#[tokio::test]
async fn a_torn_write_is_no_change() {
    let fixture = Fixture::single();
    let (store, begin) = captured(&fixture, 1).await;
    save(&store, "machines", "a", 5).await;
    drop(store);
    let journal = fs::File::options().write(true).open(fixture.file(".journal")).unwrap();
    journal.set_len(journal.metadata().unwrap().len() - 1).unwrap();
    let store = fixture.open();
    assert_eq!(changes(&store, &begin, 10).await, versions(2));
    save(&store, "machines", "a", 6).await;
    store.checkpoint().await.unwrap();
    assert_eq!(changes(&store, &begin, 10).await, versions(3));
}

#[tokio::test]
async fn a_page_may_end_within_a_frame() {
    let fixture = Fixture::split();
    let store = fixture.prepared().await;
    hold(&store).await;
    let begin = store.head().await.unwrap();
    let all: Vec<String> = (0..700).map(|n| format!("m-{n:03}")).collect();
    let writes = all.iter().map(|id| {
        let document = super::document(id, 1);
        repo_core::Write::put(super::key("machines", id), document, repo_core::Precondition::Any)
    });
    store.commit(writes.collect()).await.unwrap();
    for _ in 0..2 {
        for page in [1, 13, 699, 700] {
            let found = changes(&store, &begin, page).await;
            assert!(found.iter().map(|(id, _)| id).eq(&all), "pages of {page}");
        }
        store.checkpoint().await.unwrap();
    }
}

#[tokio::test]
async fn a_store_put_back_from_a_backup_drops_later_journals() {
    let fixture = Fixture::single();
    let (store, begin) = captured(&fixture, 1).await;
    let backup = tempfile::tempdir().unwrap();
    copy_into(&fixture.path(), backup.path());
    let stale = store.head().await.unwrap();
    for n in 0..3 {
        save(&store, "requests", "later", n).await;
        save(&store, "requests", &"long".repeat(9), n).await;
        store.checkpoint().await.unwrap();
    }
    let ahead = store.head().await.unwrap();
    drop(store);
    for name in [".meta", ".journal", "request_database.json"] {
        fs::copy(backup.path().join(name), fixture.file(name)).unwrap();
    }
    let store = fixture.open();
    assert_eq!(refused(&store, Some(&ahead)).await.kind(), ErrorKind::FeedExpired);
    assert_eq!(changes(&store, &stale, 9).await, []);
    for _ in 0..2 {
        save(&store, "machines", "a", 1).await;
        store.checkpoint().await.unwrap();
    }
    assert_eq!(changes(&store, &begin, 2).await, versions(4));
    assert_eq!(kept(&fixture).len(), 3);
}

/// What a resolution gives up may have been read, so all positions expire.
#[tokio::test]
async fn a_resolution_expires_the_feed() {
    for keep in [Keep::File, Keep::Journal] {
        let fixture = Fixture::single();
        let (store, begin) = captured(&fixture, 2).await;
        let head = store.head().await.unwrap();
        drop(store);
        fixture.write("request_database.json", r#"{"machines":{},"requests":{}}"#);
        let settings = fixture.settings(&fixture.path());
        let options = fixture.options(false);
        assert!(crate::resolve(&settings, options, keep).await.unwrap().needed);
        let store = fixture.open();
        for position in [&begin, &head] {
            assert_eq!(refused(&store, Some(position)).await.kind(), ErrorKind::FeedExpired);
        }
        let begin = store.head().await.unwrap();
        save(&store, "machines", "b", 1).await;
        store.checkpoint().await.unwrap();
        assert_eq!(changes(&store, &begin, 5).await, [("b".to_owned(), 1)]);
        assert_eq!(kept(&fixture).len(), 1, "what expired is removed");
    }
}

/// Another program that links the journal into a second folder is noticed still.
#[tokio::test]
async fn a_second_name_of_the_journal_is_refused_as_ever() {
    let fixture = Fixture::single();
    drop(captured(&fixture, 1).await);
    fs::hard_link(fixture.file(".journal"), fixture.file(".changes/other")).unwrap();
    assert_eq!(fixture.refused().kind(), ErrorKind::Unsupported);
}
