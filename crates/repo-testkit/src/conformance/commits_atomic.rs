//! `commit`: all of its writes or none, and what it answers.

use repo_core::strategy::Record;
use repo_core::{CollectionSchema, ErrorKind, Filter, Key, Precondition, Write, Written};

use super::support::{
    assert_kind, collection, count, delete, document, entity, everything, failures, key, put,
    put_if, record, save, version,
};
use crate::{Fixture, Store};

async fn stock(store: &Store) -> [Key; 3] {
    let keys = [key("items", "live"), key("notes", "live"), key("things", "gone")];
    save(store, &keys[0], "\"n\":1").await;
    save(store, &keys[1], "\"n\":1").await;
    save(store, &keys[1], "\"n\":2").await;
    save(store, &keys[2], "\"n\":1").await;
    delete(store, &keys[2]).await;
    keys
}

/// One failing write, wherever it stands, and no collection changes.
pub async fn one_failing_write_undoes_all(f: Fixture) {
    let store = f.prepared().await;
    let [item, note, gone] = stock(&store).await;
    let good = [
        put(&key("items", "new"), ""),
        put(&item, "\"n\":2"),
        Write::delete(note, Precondition::Version(version(2))),
        put(&gone, ""),
        Write::check(key("notes", "nothing"), Precondition::Absent),
    ];
    let bad = [
        put_if(&key("things", "nothing"), "", Precondition::Exists),
        Write::delete(key("things", "nothing"), Precondition::Exists),
        Write::check(key("things", "nothing"), Precondition::Exists),
        put_if(&key("things", "nothing"), "", Precondition::Version(version(1))),
    ];
    let before = everything(&store).await;
    for bad in bad {
        for place in 0..=good.len() {
            let mut writes = good.to_vec();
            writes.insert(place, bad.clone());
            let error = super::support::refused(store.commit(writes).await);
            assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict));
            assert_eq!(everything(&store).await, before);
        }
    }
    // Without the bad one all of it happens, each from its own version on.
    let written = store.commit(good.to_vec()).await.unwrap();
    let versions: Vec<_> =
        written.iter().map(|w| w.version().map(repo_core::Version::get)).collect();
    assert_eq!(versions, [Some(1), Some(2), Some(3), Some(3), None]);
}

/// The error names every key whose precondition failed, and no other, each
/// with what was expected and which version was there.
pub async fn every_failed_precondition_is_named(f: Fixture) {
    let store = f.prepared().await;
    let [item, note, gone] = stock(&store).await;
    let one = Precondition::Version(version(1));
    let error = assert_kind(
        store
            .commit(vec![
                put_if(&item, "", Precondition::Absent),
                put(&key("items", "fine"), ""),
                Write::delete(note.clone(), one),
                put_if(&gone, "", Precondition::Exists),
                Write::check(key("things", "never"), one),
                Write::check(note_like("other"), Precondition::Absent),
            ])
            .await,
        ErrorKind::Conflict,
    );
    let expected = [
        ("items/live".to_owned(), Precondition::Absent, Some(1)),
        ("notes/live".to_owned(), one, Some(2)),
        ("things/gone".to_owned(), Precondition::Exists, None),
        ("things/never".to_owned(), one, None),
    ];
    assert_eq!(failures(&error), expected);
    assert!(error.to_string().contains("notes/live"), "{error}");
}

fn note_like(id: &str) -> Key {
    key("notes", id)
}

/// All failed are creates: `AlreadyExists`. All are updates or deletes of what
/// is not there: `NotFound`. Mixed, or a check among them: `Conflict`.
pub async fn the_kind_follows_from_all_failures(f: Fixture) {
    let store = f.prepared().await;
    let [item, note, gone] = stock(&store).await;
    let create = |key: &Key| put_if(key, "", Precondition::Absent);
    let update = |key: &Key| put_if(key, "", Precondition::Version(version(1)));
    let remove = |key: &Key| Write::delete(key.clone(), Precondition::Exists);
    let check = |key: &Key, precondition| Write::check(key.clone(), precondition);
    let cases = [
        (vec![create(&item), create(&note)], ErrorKind::AlreadyExists),
        (vec![create(&item), create(&gone)], ErrorKind::AlreadyExists),
        (vec![update(&gone), remove(&key("items", "no"))], ErrorKind::NotFound),
        (vec![update(&note)], ErrorKind::Conflict),
        (vec![update(&note), update(&gone)], ErrorKind::Conflict),
        (vec![create(&item), update(&gone)], ErrorKind::Conflict),
        (vec![create(&item), check(&gone, Precondition::Exists)], ErrorKind::Conflict),
        (vec![check(&item, Precondition::Absent)], ErrorKind::Conflict),
        (vec![check(&gone, Precondition::Exists)], ErrorKind::Conflict),
    ];
    let before = everything(&store).await;
    for (writes, kind) in cases {
        assert_kind(store.commit(writes).await, kind);
        assert_eq!(everything(&store).await, before);
    }
}

/// A key stands at most once in a commit; the same id in two collections is
/// two keys.
pub async fn a_key_twice_is_invalid(f: Fixture) {
    let store = f.prepared().await;
    let [item, ..] = stock(&store).await;
    let twice = [
        vec![put(&item, "\"n\":1"), put(&item, "\"n\":2")],
        vec![put(&item, ""), Write::delete(item.clone(), Precondition::Any)],
        vec![Write::check(item.clone(), Precondition::Exists), put(&item, "")],
        vec![
            put(&item, ""),
            put(&key("notes", "x"), ""),
            Write::check(item.clone(), Precondition::Any),
        ],
    ];
    let before = everything(&store).await;
    for writes in twice {
        assert_kind(store.commit(writes).await, ErrorKind::Invalid);
        assert_eq!(everything(&store).await, before);
    }
    let same_id = ["items", "notes", "things"].map(|name| put(&key(name, "same"), ""));
    assert_eq!(store.commit(same_id.into()).await.unwrap().len(), 3);
}

/// Nothing to write is nothing to fail.
pub async fn an_empty_commit_does_nothing(f: Fixture) {
    let store = f.prepared().await;
    stock(&store).await;
    let before = everything(&store).await;
    assert_eq!(store.commit(Vec::new()).await.unwrap(), []);
    assert_eq!(everything(&store).await, before);
}

/// The answers are in the order of the writes.
pub async fn answers_stand_in_the_order_of_the_writes(f: Fixture) {
    let store = f.prepared().await;
    let [item, note, gone] = stock(&store).await;
    let written = store
        .commit(vec![
            put(&key("things", "z"), ""),
            Write::delete(note, Precondition::Any),
            Write::check(key("notes", "none"), Precondition::Absent),
            put(&key("items", "a"), ""),
            Write::delete(gone, Precondition::Any),
            put(&item, ""),
        ])
        .await
        .unwrap();
    let seen: Vec<_> = written
        .iter()
        .map(|written| match written {
            Written::Put { version, .. } => format!("put {version}"),
            Written::Deleted { version, .. } => format!("deleted {version}"),
            Written::Unchanged => "unchanged".to_owned(),
        })
        .collect();
    assert_eq!(seen, ["put 1", "deleted 3", "unchanged", "put 1", "unchanged", "put 2"]);
}

/// Checks hold back the writes beside them, and change nothing themselves.
pub async fn checks_guard_the_writes_beside_them(f: Fixture) {
    let store = f.prepared().await;
    let [item, note, gone] = stock(&store).await;
    let target = key("things", "target");
    let checks = |precondition| {
        vec![
            Write::check(item.clone(), Precondition::Version(version(1))),
            Write::check(gone.clone(), Precondition::Absent),
            Write::check(note.clone(), precondition),
            put(&target, ""),
        ]
    };
    let stale = store.commit(checks(Precondition::Version(version(1)))).await;
    assert_kind(stale, ErrorKind::Conflict);
    assert_eq!(record(&store, &target).await, None);
    let before =
        [record(&store, &item).await, record(&store, &note).await, record(&store, &gone).await];
    store.commit(checks(Precondition::Version(version(2)))).await.unwrap();
    assert_eq!(entity(&store, &target).await.version.get(), 1);
    let after =
        [record(&store, &item).await, record(&store, &note).await, record(&store, &gone).await];
    assert_eq!(after, before);
    let only =
        vec![Write::check(item, Precondition::Exists), Write::check(gone, Precondition::Any)];
    assert_eq!(store.commit(only).await.unwrap(), [Written::Unchanged; 2]);
}

/// A commit of as many keys as the store takes is one commit; of more it is
/// `LimitExceeded`, and nothing of it is written.
pub async fn a_commit_has_as_many_keys_as_the_store_says(f: Fixture) {
    let store = f.prepared().await;
    let limit = store.capabilities().max_commit_keys;
    let most = limit.unwrap_or(1_500);
    let writes = |n: usize, round: u32| -> Vec<Write> {
        (0..n)
            .map(|at| put(&key("items", &format!("{at:05}")), &format!("\"round\":{round}")))
            .collect()
    };
    let written = store.commit(writes(most, 1)).await.unwrap();
    assert!(written.iter().all(|written| written.version() == Some(version(1))));
    assert_eq!(count(&store, "items", &Filter::default()).await, most as u64);
    if limit.is_some() {
        let before = everything(&store).await;
        assert_kind(store.commit(writes(most + 1, 2)).await, ErrorKind::LimitExceeded);
        assert_eq!(everything(&store).await, before);
    }
}

/// The same for the bytes of the documents.
pub async fn a_commit_has_as_many_bytes_as_the_store_says(f: Fixture) {
    let store = f.prepared().await;
    let Some(limit) = store.capabilities().max_commit_bytes else {
        return six_megabytes_in_one_commit(&store).await;
    };
    let text = "x".repeat(store.capabilities().max_entity_bytes - 1_000);
    let writes = |n: usize| -> Vec<Write> {
        (0..n)
            .map(|at| put(&key("items", &at.to_string()), &format!("\"text\":\"{text}\"")))
            .collect()
    };
    let over = limit / text.len() + 2;
    if store.capabilities().max_commit_keys.is_none_or(|keys| over <= keys) {
        assert_kind(store.commit(writes(over)).await, ErrorKind::LimitExceeded);
        assert_eq!(everything(&store).await, []);
    }
    store.commit(writes(limit / (text.len() + 2_000))).await.unwrap();
}

async fn six_megabytes_in_one_commit(store: &Store) {
    let text = "x".repeat(300_000);
    let put = |at: u32| put(&key("items", &at.to_string()), &format!("\"text\":\"{text}\""));
    store.commit((0..20).map(put).collect()).await.unwrap();
    assert_eq!(count(store, "items", &Filter::default()).await, 20);
}

/// An unprepared collection among the writes, and nothing is written.
pub async fn an_unprepared_collection_fails_the_whole_commit(f: Fixture) {
    let store = f.prepared().await;
    let unknown = key("nowhere", "a");
    let before = everything(&store).await;
    for bad in [
        Write::put(unknown.clone(), document(&unknown, ""), Precondition::Any),
        Write::delete(unknown.clone(), Precondition::Any),
        Write::check(unknown.clone(), Precondition::Absent),
    ] {
        let writes = vec![put(&key("items", "a"), ""), bad, put(&key("things", "a"), "")];
        assert_kind(store.commit(writes).await, ErrorKind::NotFound);
        assert_eq!(everything(&store).await, before);
    }
}

/// What is committed has nothing to do with the size of what is there: a
/// commit that only deletes works on entities of any size, and on many.
pub async fn many_entities_are_deleted_at_once(f: Fixture) {
    let store = f.prepared().await;
    let most = store.capabilities().max_commit_keys.unwrap_or(1_000).min(1_000);
    let keys: Vec<Key> = (0..most).map(|n| key("things", &format!("{n:04}"))).collect();
    super::support::fill(&store, keys.iter().map(|key| put(key, "\"status\":\"on\"")).collect())
        .await;
    let deletes = keys.iter().map(|key| Write::delete(key.clone(), Precondition::Exists));
    let written = store.commit(deletes.collect()).await.unwrap();
    assert!(written.iter().all(|w| matches!(w, Written::Deleted { .. })));
    assert_eq!(count(&store, "things", &Filter::default()).await, 0);
    let left = super::support::records(&store, "things").await;
    assert_eq!(left.len(), most);
    assert!(left.iter().all(|record| !record.is_live() && record.version().get() == 2));
}

/// A read that stands between two commits sees the one and not the other.
pub async fn an_acknowledged_commit_is_there_without_a_close(f: Fixture) {
    let store = f.prepared().await;
    let keys = ["items", "notes", "things"].map(|name| key(name, "a"));
    store.commit(keys.iter().map(|key| put(key, "\"n\":1")).collect()).await.unwrap();
    drop(store);
    let store = f.open_with(f.options()).await.unwrap();
    for key in &keys {
        assert!(record(&store, key).await.is_some_and(|record: Record| record.is_live()), "{key}");
    }
    let again = CollectionSchema::undeclared(collection("items"));
    assert_eq!(store.prepare(&[again]).await.unwrap().len(), 1);
}
