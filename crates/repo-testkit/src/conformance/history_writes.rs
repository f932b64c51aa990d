//! Changes of what is kept: by a migration, by retention.

use repo_core::strategy::{Applied, VersionWrite};
use repo_core::{ErrorKind, Result};

use super::history_support::{
    keeping, numbers, offered, replaced, was_deleted, was_live, was_removed,
};
use super::support::{assert_kind, collection, key, live, save, version};
use crate::{Fixture, Store};

async fn write(store: &Store, writes: Vec<VersionWrite>) -> Result<Vec<Applied>> {
    store.write_versions(&collection("items"), writes).await
}

/// Versions that another store knows are added once; other content under one number
/// is not taken.
pub async fn versions_are_added_and_compared(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    store.apply(vec![live(&a, 9, "", 90)]).await.unwrap();
    let versions = [
        was_live(&a, 2, "\"n\":2", 20),
        was_deleted(&a, 3, 30),
        was_removed(&a, 1, 10),
        was_live(&b, 7, "\"n\":7", 70),
    ];
    let add = || versions.iter().cloned().map(VersionWrite::Add).collect::<Vec<_>>();
    assert_eq!(write(&store, add()).await.unwrap(), [Applied::Applied; 4]);
    assert_eq!(write(&store, add()).await.unwrap(), [Applied::Equal; 4]);
    let others = [
        was_live(&a, 2, "\"n\":3", 20),
        was_live(&a, 3, "", 30),
        was_deleted(&a, 1, 10),
        was_live(&b, 7, "\"n\":7", 71),
    ];
    let answers = write(&store, others.map(VersionWrite::Add).to_vec()).await.unwrap();
    let (diverged, equal) = (Applied::Diverged, Applied::Equal);
    assert_eq!(answers, [diverged, diverged, diverged, equal]);
    let expected = [versions[1].clone(), versions[0].clone(), versions[2].clone()];
    assert_eq!(replaced(&store, &a).await, expected);
    assert_eq!(replaced(&store, &b).await, [versions[3].clone()]);
}

/// A version is cleared to a mark, or removed; neither touches others.
pub async fn versions_are_cleared_and_removed(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    for _ in 0..5 {
        save(&store, &a, "").await;
        save(&store, &b, "").await;
    }
    let clear = |number| VersionWrite::Clear(a.id.clone(), version(number));
    let remove = |number| VersionWrite::Remove(a.id.clone(), version(number));
    let answers = write(&store, vec![clear(2), remove(1), remove(4), clear(9)]).await.unwrap();
    let (applied, equal) = (Applied::Applied, Applied::Equal);
    assert_eq!(answers, [applied, applied, applied, equal]);
    let answers = write(&store, vec![clear(2), remove(1), clear(4)]).await.unwrap();
    assert_eq!(answers, [equal; 3]);
    let kept = replaced(&store, &a).await;
    assert_eq!(numbers(&kept), [3, 2]);
    assert_eq!(kept[1], was_removed(&a, 2, kept[1].updated_at.as_micros()));
    assert_eq!(write(&store, vec![remove(2), clear(3)]).await.unwrap(), [applied; 2]);
    assert_eq!(numbers(&replaced(&store, &a).await), [3]);
    assert_eq!(numbers(&replaced(&store, &b).await), [4, 3, 2, 1]);
}

/// Changes are durable, in whatever file the version stood.
pub async fn what_was_changed_outlives_files_and_handles(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let mut store = keeping(&f).await;
    let a = key("items", "a");
    for _ in 0..6 {
        save(&store, &a, "").await;
    }
    store.checkpoint().await.unwrap();
    save(&store, &a, "").await;
    let added = was_live(&key("items", "b"), 3, "\"n\":3", 30);
    let writes = vec![
        VersionWrite::Remove(a.id.clone(), version(2)),
        VersionWrite::Clear(a.id.clone(), version(4)),
        VersionWrite::Clear(a.id.clone(), version(6)),
        VersionWrite::Add(added.clone()),
    ];
    write(&store, writes).await.unwrap();
    for round in 0..3 {
        let kept = replaced(&store, &a).await;
        assert_eq!(numbers(&kept), [6, 5, 4, 3, 1], "round {round}");
        for (older, removed) in kept.iter().zip([true, false, true, false, false]) {
            let mark = was_removed(&a, older.version.get(), older.updated_at.as_micros());
            assert_eq!(*older == mark, removed, "round {round}: {older:?}");
        }
        assert_eq!(replaced(&store, &key("items", "b")).await, std::slice::from_ref(&added));
        match round {
            0 => store.checkpoint().await.unwrap(),
            _ => store = f.reopen(store).await,
        }
    }
}

/// What a write replaces is what it was, whatever was added under its number before.
pub async fn a_write_replaces_what_was_added(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    store.apply(vec![live(&a, 4, "\"n\":4", 40)]).await.unwrap();
    let early = VersionWrite::Add(was_live(&a, 4, "\"other\":1", 41));
    write(&store, vec![early]).await.unwrap();
    assert_eq!(replaced(&store, &a).await, []);
    save(&store, &a, "").await;
    assert_eq!(replaced(&store, &a).await, [was_live(&a, 4, "\"n\":4", 40)]);
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    assert_eq!(replaced(&store, &a).await, [was_live(&a, 4, "\"n\":4", 40)]);
}

/// One version named twice, or too many, are refused, with nothing changed.
pub async fn writes_out_of_bounds_are_refused(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    let add = |number| VersionWrite::Add(was_live(&a, number, "", 1));
    let twice = vec![add(1), add(2), VersionWrite::Clear(a.id.clone(), version(1))];
    assert_kind(write(&store, twice).await, ErrorKind::Invalid);
    let most = VersionWrite::MOST as u64;
    let many = |count| (1..=count).map(add).collect::<Vec<_>>();
    assert_kind(write(&store, many(most + 1)).await, ErrorKind::LimitExceeded);
    assert_eq!(replaced(&store, &a).await, []);
    assert_eq!(write(&store, Vec::new()).await.unwrap(), []);
    assert_eq!(write(&store, many(most)).await.unwrap().len(), VersionWrite::MOST);
    assert_eq!(replaced(&store, &a).await.len(), VersionWrite::MOST);
}
