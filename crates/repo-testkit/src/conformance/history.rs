//! The history of a collection: what each write of a record keeps.

use std::num::NonZeroUsize;
use std::time::Duration;

use repo_core::strategy::{OlderThan, OlderVersion};
use repo_core::{ErrorKind, Precondition, Write};

use super::history_support::{
    keep, keeping, numbers, offered, older, replaced, was_deleted, was_live,
};
use super::support::{
    assert_kind, collection, delete, document, fill, id, key, live, put, put_if, record, save,
    tombstone, tries, version,
};
use crate::Fixture;

/// Every put, delete and applied record keeps what it replaces, with its times.
pub async fn what_is_replaced_is_kept(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    save(&store, &a, "\"n\":1").await;
    assert_eq!(replaced(&store, &a).await, []);
    let mut expected: Vec<OlderVersion> = Vec::new();
    for n in 2..5 {
        f.clock.advance(Duration::from_secs(1));
        expected.insert(0, record(&store, &a).await.unwrap().into());
        match n {
            3 => drop(delete(&store, &a).await),
            _ => drop(save(&store, &a, &format!("\"n\":{n}")).await),
        }
        assert_eq!(replaced(&store, &a).await, expected, "after write {n}");
    }
    store.apply(vec![live(&a, 9, "\"n\":9", 7)]).await.unwrap();
    store.apply(vec![tombstone(&a, 12, 8)]).await.unwrap();
    let all = replaced(&store, &a).await;
    assert_eq!(numbers(&all), [9, 4, 3, 2, 1]);
    assert_eq!(all[0], was_live(&a, 9, "\"n\":9", 7));
}

/// A check, a delete of nothing, a commit that fails and a record that is older or
/// equal replace nothing. Neither does the first write of an id.
pub async fn what_changes_nothing_replaces_nothing(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    save(&store, &a, "").await;
    let checked = Write::check(a.clone(), Precondition::Exists);
    let absent = Write::check(key("items", "absent"), Precondition::Absent);
    let nothing = Write::delete(key("items", "never"), Precondition::Any);
    store.commit(vec![checked, absent, nothing, put(&b, "")]).await.unwrap();
    let failing = vec![put(&a, "\"n\":2"), put_if(&b, "", Precondition::Absent)];
    assert_kind(store.commit(failing).await, ErrorKind::AlreadyExists);
    let stored = record(&store, &a).await.unwrap();
    store.apply(vec![stored, live(&a, 1, "\"other\":1", 9)]).await.unwrap();
    for id in ["a", "b", "absent", "never"] {
        assert_eq!(replaced(&store, &key("items", id)).await, [], "{id}");
    }
}

/// A key that comes twice in one `apply` keeps what was between.
pub async fn a_key_applied_twice_keeps_both(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    let records = vec![
        live(&a, 1, "\"n\":1", 1),
        tombstone(&a, 3, 2),
        live(&b, 1, "", 1),
        live(&a, 4, "", 3),
    ];
    store.apply(records).await.unwrap();
    let expected = [was_deleted(&a, 3, 2), was_live(&a, 1, "\"n\":1", 1)];
    assert_eq!(replaced(&store, &a).await, expected);
    assert_eq!(replaced(&store, &b).await, []);
}

/// Documents come back as they were, large ones and those of hostile ids too.
pub async fn documents_are_kept_to_the_byte(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let large = format!("\"text\":\"{}\"", "é\\u0001\\\"".repeat(20_000));
    for id in ["a", "'; DROP TABLE items; --", "../up", "a/b#c", "\u{10ffff}", "A"] {
        let key = key("items", id);
        for fields in ["\"n\":1.50, \"deep\":{\"b\":[1,2,{\"a\":null}]}", &large, ""] {
            save(&store, &key, fields).await;
        }
        let kept = replaced(&store, &key).await;
        let documents: Vec<_> = kept
            .iter()
            .map(|older| match &older.state {
                repo_core::strategy::OlderState::Live { document, .. } => document.clone(),
                state => panic!("{state:?}"),
            })
            .collect();
        assert_eq!(numbers(&kept), [2, 1], "{id}");
        assert!(documents[0].equals(&document(&key, &large)), "{id}");
    }
    assert_eq!(numbers(&older(&store, &[("items", "a", 9)], 9).await.unwrap()), [2, 1]);
}

/// A page ends after `most`, and the next one begins where the caller says.
pub async fn pages_of_several_ids_are_in_order(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    for round in 0..4 {
        let writes = ["a", "b", "c"].map(|id| put(&key("items", id), &format!("\"n\":{round}")));
        fill(&store, writes.to_vec()).await;
    }
    let of = [("items", "c", 4), ("items", "none", 4), ("items", "a", 3), ("items", "b", 4)];
    let all = older(&store, &of, 100).await.unwrap();
    let expected = [("c", 3), ("c", 2), ("c", 1), ("a", 2), ("a", 1), ("b", 3), ("b", 2), ("b", 1)];
    let seen: Vec<_> = all.iter().map(|older| (older.id.as_str(), older.version.get())).collect();
    assert_eq!(seen, expected);
    for most in 1..=all.len() {
        assert_eq!(older(&store, &of, most).await.unwrap(), all[..most], "{most}");
    }
    let rest = older(&store, &[("items", "a", 2), ("items", "b", 4)], 3).await.unwrap();
    assert_eq!(rest, all[4..7]);
    assert_eq!(older(&store, &[("items", "a", 1)], 3).await.unwrap(), []);
}

/// A page goes no further down than it is asked to, to a version that is itself in it.
pub async fn a_page_ends_with_the_oldest_that_is_asked_for(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    for round in 0..4 {
        let writes = ["a", "b"].map(|id| put(&key("items", id), &format!("\"n\":{round}")));
        fill(&store, writes.to_vec()).await;
    }
    let down = async |of: &[(&str, u64, u64)], most: usize| {
        let range = |(i, below, oldest): &(&str, u64, u64)| {
            OlderThan::new(id(i), version(*below)).down_to(version(*oldest))
        };
        let of: Vec<OlderThan> = of.iter().map(range).collect();
        let most = NonZeroUsize::new(most).unwrap();
        let found = store.older_versions(&collection("items"), &of, most).await.unwrap();
        found.iter().map(|one| (one.id.to_string(), one.version.get())).collect::<Vec<_>>()
    };
    let pair = |i: &str, n: u64| (i.to_owned(), n);
    assert_eq!(down(&[("b", 4, 3)], 9).await, [pair("b", 3)]);
    assert_eq!(down(&[("b", 3, 2), ("a", 2, 1)], 9).await, [pair("b", 2), pair("a", 1)]);
    assert_eq!(down(&[("b", 4, 2), ("a", 2, 1)], 2).await, [pair("b", 3), pair("b", 2)]);
    for empty in [("b", 3, 3), ("b", 2, 3), ("b", 1, 1), ("nobody", 9, 2)] {
        assert_eq!(down(&[empty], 9).await, [], "{empty:?}");
    }
}

/// What is kept is there after each checkpoint and restart, whatever was written in
/// between.
pub async fn older_versions_outlive_files_and_handles(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let mut store = f.prepared().await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    save(&store, &a, "\"n\":0").await;
    store.checkpoint().await.unwrap();
    keep(&f, &store, "items").await;
    let mut expected: Vec<OlderVersion> = Vec::new();
    for round in 1..8 {
        expected.insert(0, record(&store, &a).await.unwrap().into());
        save(&store, &a, &format!("\"n\":{round}")).await;
        if round % 2 == 0 {
            store.checkpoint().await.unwrap();
            save(&store, &b, "").await;
        }
        assert_eq!(replaced(&store, &a).await, expected, "round {round}");
        if round % 3 == 0 {
            store = f.reopen(store).await;
            assert_eq!(replaced(&store, &a).await, expected, "round {round}, opened again");
        }
    }
    assert_eq!(numbers(&replaced(&store, &b).await), [2, 1]);
}

/// A handle that was opened before the history began keeps what it replaces.
pub async fn handles_opened_before_keep_too(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let one = f.prepared().await;
    let other = f.second(&one).await;
    let a = key("items", "a");
    save(&other, &a, "\"n\":1").await;
    keep(&f, &one, "items").await;
    save(&other, &a, "\"n\":2").await;
    other.apply(vec![live(&a, 5, "", 9)]).await.unwrap();
    save(&one, &a, "\"n\":6").await;
    assert_eq!(numbers(&replaced(&one, &a).await), [5, 2, 1]);
    assert_eq!(replaced(&other, &a).await, replaced(&one, &a).await);
}

/// Whoever writes at once, each version is kept, and only once.
pub async fn writers_at_once_leave_no_gap(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = keeping(&f).await;
    let a = key("items", "a");
    save(&store, &a, "").await;
    let rounds = tries(10).min(50);
    let writers = (0..4).map(|writer| {
        let (store, a) = (store.clone(), a.clone());
        tokio::spawn(async move {
            for round in 0..rounds {
                let fields = format!("\"n\":{}", writer * 1_000 + round);
                save(&store, &a, &fields).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let last = record(&store, &a).await.unwrap().version().get();
    assert_eq!(last, 1 + 4 * rounds as u64);
    let expected: Vec<u64> = (1..last).rev().collect();
    assert_eq!(numbers(&replaced(&store, &a).await), expected);
}
