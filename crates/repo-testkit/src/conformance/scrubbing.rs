//! Removing what deleted records left in the files.

use std::num::NonZeroUsize;

use repo_core::strategy::{CaptureHolder, FeedPosition, StoreUpdate, VersionWrite};
use repo_core::{ErrorKind, Key};

use super::history_support::{keeping, numbers, offered, replaced};
use super::support::{assert_kind, delete, key, record, save, version};
use crate::{Fixture, Store};

async fn changes(store: &Store, after: Option<&FeedPosition>) -> Vec<(Key, u64, bool)> {
    let most = NonZeroUsize::new(1_000).unwrap();
    let page = store.changes(after, most).await.unwrap();
    page.changes.into_iter().map(|c| (c.key, c.version.get(), c.deleted)).collect()
}

/// What is read stays as it is, and positions of the feed stay good.
pub async fn scrubbing_changes_nothing_that_is_read(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let hold = StoreUpdate::HoldCapture(CaptureHolder::new("test", "scrubbing").unwrap());
    store.update_store_record(hold).await.unwrap();
    let (a, b) = (key("items", "a"), key("items", "b"));
    for round in 0..3 {
        save(&store, &a, &format!("\"n\":{round}")).await;
        save(&store, &b, "").await;
    }
    let middle = store.head().await.unwrap();
    store.checkpoint().await.unwrap();
    save(&store, &a, "").await;
    let a_only = std::slice::from_ref(&a.id);
    assert_kind(store.scrub(&a.collection, a_only).await, ErrorKind::Invalid);
    delete(&store, &a).await;
    save(&store, &b, "").await;
    let forget = replaced(&store, &a).await.into_iter().map(|older| older.version);
    let forget = forget.map(|number| VersionWrite::Remove(a.id.clone(), number)).collect();
    store.write_versions(&a.collection, forget).await.unwrap();
    let (all, later) = (changes(&store, None).await, changes(&store, Some(&middle)).await);
    assert_eq!((all.len(), later.len()), (9, 3));
    for _ in 0..2 {
        // A server may have other work that still sees what was deleted.
        store.scrub(&a.collection, a_only).await.unwrap();
    }
    let mut store = store;
    for _ in 0..2 {
        assert_eq!(changes(&store, None).await, all);
        assert_eq!(changes(&store, Some(&middle)).await, later);
        assert_eq!(numbers(&replaced(&store, &b).await), [3, 2, 1]);
        assert_eq!(replaced(&store, &a).await, []);
        assert_eq!(record(&store, &b).await.unwrap().version(), version(4));
        store = f.reopen(store).await;
    }
    save(&store, &b, "").await;
    assert_eq!(changes(&store, Some(&middle)).await.len(), later.len() + 1);
}

/// A handle that only reads scrubs nothing, and neither does a closed one.
pub async fn a_handle_for_reading_only_scrubs_nothing(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    delete(&store, &a).await;
    let reader = f.open_with(f.options().with_read_only(true)).await.unwrap();
    let a_only = std::slice::from_ref(&a.id);
    assert_kind(reader.scrub(&a.collection, a_only).await, ErrorKind::Unsupported);
    reader.close().await.unwrap();
    assert_kind(
        store.scrub(&super::support::collection("nowhere"), a_only).await,
        ErrorKind::NotFound,
    );
    store.close().await.unwrap();
    assert_kind(store.scrub(&a.collection, a_only).await, ErrorKind::Closed);
}
