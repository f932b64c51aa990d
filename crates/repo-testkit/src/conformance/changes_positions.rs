//! Positions in the change feed: pages, restarts, what is removed, other stores.

use repo_core::ErrorKind;
use repo_core::strategy::{FeedPosition, StoreId, StoreUpdate};

use super::feed_support::{
    all_after, assert_rising, assert_seen, capturing, hold, holder, most, offered, read, release,
    seen,
};
use super::support::{assert_kind, collection, key, save};
use crate::Fixture;

/// Whatever the size of the pages, every change comes once, and versions of a key
/// rise. Each position within a page can be read from.
pub async fn pages_leave_nothing_out(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    for round in 0..4 {
        for id in ["a", "b", "c", "d", "e"] {
            save(&store, &key("items", id), &format!("\"n\":{round}")).await;
        }
    }
    let (all, end) = all_after(&store, Some(&begin), 1_000).await;
    assert_eq!(all.len(), 20);
    assert_rising(&all);
    for page in [1, 3, 7] {
        let (paged, last) = all_after(&store, Some(&begin), page).await;
        assert_eq!((seen(&paged), &last), (seen(&all), &end), "pages of {page}");
    }
    assert_eq!(seen(&all_after(&store, None, 3).await.0), seen(&all));
    for (at, change) in all.iter().enumerate() {
        let rest = all_after(&store, Some(&change.position), 100).await.0;
        assert_eq!(seen(&rest), seen(&all[at + 1..]));
    }
}

/// A position passes as text, and lasts over checkpoints and restarts.
pub async fn positions_outlive_the_handle(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    save(&store, &key("items", "a"), "").await;
    store.checkpoint().await.unwrap();
    save(&store, &key("items", "b"), "").await;
    let text = begin.to_string();
    let store = f.reopen(store).await;
    save(&store, &key("items", "c"), "").await;
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    save(&store, &key("items", "d"), "").await;
    let begin: FeedPosition = text.parse().unwrap();
    let (changes, end) = all_after(&store, Some(&begin), 2).await;
    assert_seen(&changes, &["a", "b", "c", "d"].map(|id| (id, 1, false)));
    let store = f.reopen(store).await;
    assert_eq!(store.head().await.unwrap(), end);
    assert_eq!(seen(&read(&store, Some(&end), 5).await.changes), []);
    for change in &changes {
        let rest = all_after(&store, Some(&change.position), 10).await.0;
        assert!(!seen(&rest).contains(&seen(std::slice::from_ref(change))[0]));
    }
}

/// Capture ends with its last holder; the positions of that time expire, and a new
/// one begins where nothing of it is.
pub async fn capture_ends_with_its_last_holder(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    hold(&store, "b").await;
    assert!(release(&store, "a").await.capture.is_on());
    save(&store, &key("items", "a"), "").await;
    assert_seen(&all_after(&store, Some(&begin), 9).await.0, &[("a", 1, false)]);
    let off = release(&store, "b").await.capture;
    assert_eq!((off.is_on(), off.generation), (false, 1));
    assert_eq!(release(&store, "b").await.capture, off);
    assert_kind(store.changes(Some(&begin), most(1)).await, ErrorKind::FeedExpired);
    assert_kind(store.changes(None, most(1)).await, ErrorKind::NotFound);
    save(&store, &key("items", "unseen"), "").await;
    assert_eq!(hold(&store, "a").await.capture.generation, 2);
    assert_kind(store.changes(Some(&begin), most(1)).await, ErrorKind::FeedExpired);
    save(&store, &key("items", "a"), "").await;
    assert_seen(&all_after(&store, None, 9).await.0, &[("a", 2, false)]);
}

/// Capture of a store that was written to before, and whose files are others since,
/// begins with what follows.
pub async fn capture_begins_with_what_follows(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    save(&store, &key("items", "before"), "").await;
    store.checkpoint().await.unwrap();
    let floor = StoreUpdate::RaiseFloor { collection: collection("items"), floor: 4 };
    store.update_store_record(floor).await.unwrap();
    let store = f.reopen(store).await;
    hold(&store, "a").await;
    assert_eq!(seen(&read(&store, None, 5).await.changes), []);
    save(&store, &key("items", "after"), "").await;
    assert_seen(&all_after(&store, None, 9).await.0, &[("after", 5, false)]);
    release(&store, "a").await;
    store.checkpoint().await.unwrap();
    hold(&store, "a").await;
    save(&store, &key("items", "again"), "").await;
    assert_seen(&all_after(&store, None, 9).await.0, &[("again", 5, false)]);
}

/// What nobody needs any more is removed; older positions expire in words, others
/// stay.
pub async fn what_is_removed_expires(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    for id in ["a", "b", "c"] {
        save(&store, &key("items", id), "").await;
    }
    let (changes, end) = all_after(&store, Some(&begin), 10).await;
    let middle = &changes[1].position;
    for _ in 0..2 {
        store.trim_changes(middle).await.unwrap();
        let error = store.changes(Some(&begin), most(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FeedExpired);
        assert!(error.hint_text().is_some(), "{error}");
        let rest = all_after(&store, Some(middle), 10).await.0;
        assert_eq!(seen(&rest), seen(&changes[2..]));
        assert_eq!(seen(&all_after(&store, None, 10).await.0), seen(&changes[2..]));
    }
    // Older than what is removed: nothing to do, and no error.
    store.trim_changes(&begin).await.unwrap();
    let store = f.reopen(store).await;
    assert_kind(store.changes(Some(&begin), most(1)).await, ErrorKind::FeedExpired);
    store.trim_changes(&end).await.unwrap();
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    assert_eq!(store.head().await.unwrap(), end);
    assert_eq!(seen(&all_after(&store, None, 10).await.0), []);
    save(&store, &key("items", "d"), "").await;
    assert_seen(&all_after(&store, Some(&end), 10).await.0, &[("d", 1, false)]);
    assert_kind(store.changes(Some(middle), most(1)).await, ErrorKind::FeedExpired);
}

/// A position of another store, and one that was never given, are refused.
pub async fn a_position_belongs_to_its_store(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    save(&store, &key("items", "a"), "").await;
    let with = |id, generation, shards: &[u64]| FeedPosition::new(id, generation, shards.to_vec());
    let other = StoreId::random().unwrap();
    let shards = begin.shards();
    let foreign = with(other, begin.generation(), shards);
    let shorter = with(begin.store(), begin.generation(), &[]);
    for wrong in [&foreign, &shorter] {
        assert_kind(store.changes(Some(wrong), most(1)).await, ErrorKind::Invalid);
        assert_kind(store.trim_changes(wrong).await, ErrorKind::Invalid);
    }
    // As after a store was put back to an older state.
    let ahead: Vec<u64> = shards.iter().map(|shard| shard + (1 << 40)).collect();
    let ahead = with(begin.store(), begin.generation(), &ahead);
    let newer = with(begin.store(), begin.generation() + 1, shards);
    for wrong in [&ahead, &newer] {
        assert_kind(store.changes(Some(wrong), most(1)).await, ErrorKind::FeedExpired);
        assert_kind(store.trim_changes(wrong).await, ErrorKind::FeedExpired);
    }
    assert_seen(&all_after(&store, Some(&begin), 10).await.0, &[("a", 1, false)]);
}

/// A handle that is open for reading only reads no feed: to read it moves what was
/// captured on some stores, so none does.
pub async fn a_handle_for_reading_only_reads_no_feed(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    store.close().await.unwrap();
    let reader = f.open_with(f.options().with_read_only(true)).await.unwrap();
    assert!(reader.store_record().await.unwrap().capture.is_on());
    assert_kind(reader.changes(Some(&begin), most(1)).await, ErrorKind::Unsupported);
    assert_kind(reader.head().await, ErrorKind::Unsupported);
    assert_kind(reader.trim_changes(&begin).await, ErrorKind::Unsupported);
    let hold = StoreUpdate::HoldCapture(holder("b"));
    assert_kind(reader.update_store_record(hold).await, ErrorKind::Unsupported);
}

/// A closed handle reads no feed.
pub async fn a_closed_handle_reads_no_feed(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let (store, begin) = capturing(&f).await;
    store.close().await.unwrap();
    assert_kind(store.changes(Some(&begin), most(1)).await, ErrorKind::Closed);
    assert_kind(store.head().await, ErrorKind::Closed);
    assert_kind(store.trim_changes(&begin).await, ErrorKind::Closed);
}
