//! Who wrote a version, and why.

use std::sync::Arc;

use repo_core::strategy::{Applied, VersionWrite};
use repo_core::{Attribution, EntityId, ErrorKind, Precondition, Result, Version};

use super::history_support::{change_history, keep, keeping, numbers, offered, replaced, was_live};
use super::support::{
    assert_kind, collection, id, key, live, put, put_if, save, tombstone, version,
};
use crate::{Fixture, Store};

fn by(author: &str) -> Attribution {
    Attribution::new(Some(author), Some("the \"lease\"\nhas ended, ünexpectedly")).unwrap()
}

fn given(author: &str) -> Option<Arc<Attribution>> {
    Some(Arc::new(by(author)))
}

/// Who wrote versions of `items`.
async fn who(store: &Store, of: &[(&str, u64)]) -> Result<Vec<Option<Attribution>>> {
    let of: Vec<(EntityId, Version)> = of.iter().map(|(i, v)| (id(i), version(*v))).collect();
    store.attributions(&collection("items"), &of).await
}

/// What is given with a write is kept with the version that it makes: of one write and
/// of many, of documents and deletions, before and after a checkpoint.
pub async fn who_wrote_a_version_is_kept_with_it(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let (a, b, c) = (key("items", "a"), key("items", "b"), key("items", "c"));
    store.commit(vec![put(&a, "").attributed_to(given("ada"))]).await.unwrap();
    save(&store, &b, "").await;
    store.checkpoint().await.unwrap();
    let writes = vec![
        put_if(&a, "\"n\":2", Precondition::Version(version(1))).attributed_to(given("bob")),
        repo_core::Write::delete(b, Precondition::Exists).attributed_to(given("cy")),
        repo_core::Write::check(c.clone(), Precondition::Absent).attributed_to(given("dee")),
        repo_core::Write::delete(key("items", "d"), Precondition::Any).attributed_to(given("eve")),
    ];
    store.commit(writes).await.unwrap();
    let only = Attribution::new(None, Some("why")).unwrap();
    let update = put_if(&a, "\"n\":3", Precondition::Version(version(2)));
    store.commit(vec![update.attributed_to(Some(Arc::new(only.clone())))]).await.unwrap();
    save(&store, &a, "").await;
    let of = [
        ("b", 2),
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("a", 4),
        ("b", 1),
        ("c", 1),
        ("d", 1),
        ("a", 2),
        ("nobody", 7),
    ];
    let expected = [
        Some(by("cy")),
        Some(by("ada")),
        Some(by("bob")),
        Some(only),
        None,
        None,
        None,
        None,
        Some(by("bob")),
        None,
    ];
    let mut store = store;
    for round in 0..4 {
        assert_eq!(who(&store, &of).await.unwrap(), expected, "round {round}");
        assert_eq!(numbers(&replaced(&store, &a).await), [3, 2, 1]);
        match round {
            0 | 2 => store.checkpoint().await.unwrap(),
            _ => store = f.reopen(store).await,
        }
    }
    assert_eq!(who(&store, &[]).await.unwrap(), []);
}

/// A commit that fails attributes nothing.
pub async fn a_commit_that_fails_attributes_nothing(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    let absent = |author| put_if(&a, "", Precondition::Absent).attributed_to(given(author));
    store.commit(vec![absent("ada")]).await.unwrap();
    assert_kind(store.commit(vec![absent("bob")]).await, ErrorKind::AlreadyExists);
    let both = vec![absent("bob"), put(&key("items", "b"), "").attributed_to(given("bob"))];
    assert_kind(store.commit(both).await, ErrorKind::AlreadyExists);
    assert_eq!(
        who(&store, &[("a", 1), ("a", 2), ("b", 1)]).await.unwrap(),
        [Some(by("ada")), None, None]
    );
}

/// Where no history is kept nothing is kept of who wrote, and asking is refused.
pub async fn without_a_history_nobody_is_named(f: Fixture) {
    if !offered(&f).await {
        let store = f.prepared().await;
        store.commit(vec![put(&key("items", "a"), "").attributed_to(given("ada"))]).await.unwrap();
        assert_kind(who(&store, &[("a", 1)]).await, ErrorKind::Unsupported);
        return;
    }
    let store = f.prepared().await;
    let a = key("items", "a");
    let things = key("things", "a");
    store.commit(vec![put(&a, "").attributed_to(given("ada"))]).await.unwrap();
    assert_kind(who(&store, &[("a", 1)]).await, ErrorKind::NotFound);
    keep(&f, &store, "items").await;
    let both = [&a, &things].map(|key| put(key, "").attributed_to(given("bob")));
    store.commit(both.to_vec()).await.unwrap();
    assert_eq!(who(&store, &[("a", 1), ("a", 2)]).await.unwrap(), [None, Some(by("bob"))]);
    assert_kind(
        store.attributions(&things.collection, &[(things.id.clone(), version(1))]).await,
        ErrorKind::NotFound,
    );
    change_history(&store, "items", None).await.unwrap();
    keep(&f, &store, "items").await;
    assert_eq!(who(&store, &[("a", 1), ("a", 2)]).await.unwrap(), [None, None], "it ended");
}

/// What another store knows of who wrote is added once, and goes with its version.
pub async fn attributions_are_added_and_forgotten(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let items = collection("items");
    let (a, b) = (key("items", "a"), key("items", "b"));
    store.apply(vec![live(&a, 9, "", 90), tombstone(&b, 3, 30)]).await.unwrap();
    let older = [4, 6].map(|number| VersionWrite::Add(was_live(&a, number, "", 1)));
    store.write_versions(&items, older.to_vec()).await.unwrap();
    let add = |i: &str, v, author| VersionWrite::Attribute(id(i), version(v), by(author));
    let all = vec![add("a", 9, "ada"), add("a", 6, "bob"), add("a", 4, "cy"), add("b", 3, "dee")];
    let (applied, equal, diverged) = (Applied::Applied, Applied::Equal, Applied::Diverged);
    assert_eq!(store.write_versions(&items, all.clone()).await.unwrap(), [applied; 4]);
    assert_eq!(store.write_versions(&items, all).await.unwrap(), [equal; 4]);
    let mixed = vec![
        add("a", 9, "eve"),
        add("a", 4, "cy"),
        VersionWrite::Clear(id("a"), version(6)),
        add("b", 2, "eve"),
    ];
    let answers = store.write_versions(&items, mixed).await.unwrap();
    assert_eq!(answers, [diverged, equal, applied, applied]);
    let of = [("a", 9), ("a", 6), ("a", 4), ("b", 3), ("b", 2)];
    let expected = [Some(by("ada")), None, Some(by("cy")), Some(by("dee")), Some(by("eve"))];
    assert_eq!(who(&store, &of).await.unwrap(), expected);
    store.checkpoint().await.unwrap();
    let remove = |i: &str, v| VersionWrite::Remove(id(i), version(v));
    // Also where there is no version of this number.
    let answers = store.write_versions(&items, vec![remove("a", 4), remove("b", 2)]).await.unwrap();
    assert_eq!(answers, [applied, equal]);
    let expected = [Some(by("ada")), None, None, Some(by("dee")), None];
    let mut store = store;
    for _ in 0..3 {
        assert_eq!(who(&store, &of).await.unwrap(), expected);
        store.checkpoint().await.unwrap();
        store = f.reopen(store).await;
    }
    assert_eq!(numbers(&replaced(&store, &a).await), [6]);
    save(&store, &a, "").await;
    assert_eq!(who(&store, &of).await.unwrap(), expected, "a write leaves others alone");
}
