//! Transactions: reads tracked, writes buffered, serializable over keys.

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{
    Document, Error, ErrorKind, FieldPath, Filter, Key, Query, RetryPolicy, Transaction,
    transaction,
};

use super::support::{
    assert_kind, count, delete, document, entity, everything, find_ids, key, record, save, version,
};
use crate::{Fixture, Store};

fn begin(store: &Store) -> Transaction {
    Transaction::begin(std::sync::Arc::clone(store))
}

fn number(document: Option<&Document>) -> u64 {
    let n = FieldPath::parse("n").unwrap();
    document.and_then(|d| d.get_text(&n)?.parse().ok()).unwrap_or(0)
}

/// Reads by key see the transaction's own writes; nobody else does before the
/// commit, and everybody does after it.
pub async fn a_transaction_reads_its_own_writes(f: Fixture) {
    let store = f.prepared().await;
    let [a, b, c] = ["a", "b", "c"].map(|id| key("items", id));
    save(&store, &a, "\"n\":1").await;
    save(&store, &b, "\"n\":1").await;
    let mut tx = begin(&store);
    tx.save(a.clone(), document(&a, "\"n\":2"));
    tx.delete(b.clone());
    tx.create(c.clone(), document(&c, "\"n\":3")).await.unwrap();
    assert_eq!(number(tx.get(&a).await.unwrap().as_ref()), 2);
    assert_eq!(tx.get(&b).await.unwrap(), None);
    assert_eq!(number(tx.get(&c).await.unwrap().as_ref()), 3);
    tx.update(a.clone(), document(&a, "\"n\":4"), version(1)).await.unwrap();
    assert_eq!(number(tx.get(&a).await.unwrap().as_ref()), 4);
    assert_eq!(number(Some(&entity(&store, &a).await.document)), 1);
    assert_eq!(record(&store, &c).await, None);
    assert_eq!(find_ids(&store, "items", Query::all()).await.len(), 2);
    let written = tx.commit().await.unwrap();
    assert_eq!(written.len(), 3);
    assert_eq!(written[&a].version(), Some(version(2)));
    assert_eq!(number(Some(&entity(&store, &a).await.document)), 4);
    assert_eq!(count(&store, "items", &Filter::default()).await, 2);
}

/// Several keys are read in one go, in their order, with the transaction's own
/// writes; each of them is checked by the commit.
pub async fn a_transaction_reads_several_keys_at_once(f: Fixture) {
    let store = f.prepared().await;
    let [a, b, c, other] =
        [key("items", "a"), key("items", "b"), key("items", "c"), key("things", "a")];
    save(&store, &a, "\"n\":1").await;
    save(&store, &b, "\"n\":2").await;
    save(&store, &other, "\"n\":3").await;
    let keys = [other.clone(), c.clone(), b.clone(), a.clone(), b.clone()];
    let mut tx = begin(&store);
    tx.save(b.clone(), document(&b, "\"n\":20"));
    let seen = tx.get_many(&keys).await.unwrap();
    let numbers: Vec<u64> = seen.iter().map(|document| number(document.as_ref())).collect();
    assert_eq!(numbers, [3, 0, 20, 1, 20]);
    assert_eq!(tx.get_many(&[]).await.unwrap(), []);
    // What appeared meanwhile was read as absent.
    save(&store, &c, "\"n\":4").await;
    assert_eq!(tx.get(&c).await.unwrap(), None);
    assert_kind(tx.commit().await, ErrorKind::Conflict);
    let mut tx = begin(&store);
    tx.get_many(&keys).await.unwrap();
    tx.save(a.clone(), document(&a, "\"n\":10"));
    tx.commit().await.unwrap();
    assert_eq!(number(Some(&entity(&store, &a).await.document)), 10);
    assert_eq!(number(Some(&entity(&store, &b).await.document)), 2);
}

/// What was read and has changed, appeared or gone fails the commit, and
/// nothing is written.
pub async fn a_commit_checks_everything_read(f: Fixture) {
    let store = f.prepared().await;
    let [there, gone, never, out] = ["there", "gone", "never", "out"].map(|id| key("items", id));
    for change in ["update", "delete", "appear", "come back"] {
        save(&store, &there, "\"n\":1").await;
        save(&store, &gone, "").await;
        delete(&store, &gone).await;
        let mut tx = begin(&store);
        tx.get(&there).await.unwrap();
        assert_eq!(tx.get(&gone).await.unwrap(), None);
        assert_eq!(tx.get(&never).await.unwrap(), None);
        tx.save(out.clone(), document(&out, ""));
        match change {
            "update" => drop(save(&store, &there, "\"n\":2").await),
            "delete" => drop(delete(&store, &there).await),
            "appear" => drop(save(&store, &never, "").await),
            _ => drop(save(&store, &gone, "").await),
        }
        let before = everything(&store).await;
        let error = assert_kind(tx.commit().await, ErrorKind::Conflict);
        assert_eq!(error.failed_preconditions().len(), 1, "{change}: {error:?}");
        assert_eq!(everything(&store).await, before, "{change}");
        store.delete(never.clone()).await.unwrap();
    }
}

/// Write skew is refused: of two that read both keys and each write one, the
/// second fails; also when the keys are absent.
pub async fn write_skew_is_refused(f: Fixture) {
    let store = f.prepared().await;
    for (round, exists) in [true, false].into_iter().enumerate() {
        let [a, b] = ["a", "b"].map(|id| key("things", &format!("{id}{round}")));
        if exists {
            save(&store, &a, "").await;
            save(&store, &b, "").await;
        }
        let (mut one, mut other) = (begin(&store), begin(&store));
        for tx in [&mut one, &mut other] {
            tx.get(&a).await.unwrap();
            tx.get(&b).await.unwrap();
        }
        one.save(a.clone(), document(&a, "\"n\":1"));
        other.save(b.clone(), document(&b, "\"n\":1"));
        one.commit().await.unwrap();
        assert_kind(other.commit().await, ErrorKind::Conflict);
        let left = record(&store, &b).await;
        assert_eq!(left.map(|record| record.version().get()), exists.then_some(1));
    }
}

/// What was not read is not checked: a blind write goes over what others wrote.
pub async fn what_was_not_read_is_not_checked(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    let mut tx = begin(&store);
    tx.save(key.clone(), document(&key, "\"n\":2"));
    save(&store, &key, "\"n\":1").await;
    tx.commit().await.unwrap();
    assert_eq!(entity(&store, &key).await.version.get(), 2);
}

/// A key that is taken for absent is one that was read as absent: the commit finds out. What was
/// read or written before stays as it is.
pub async fn what_is_assumed_absent_is_checked(f: Fixture) {
    let store = f.prepared().await;
    let [there, gone, new] = ["there", "gone", "new"].map(|id| key("items", id));
    save(&store, &there, "\"n\":1").await;
    save(&store, &gone, "").await;
    delete(&store, &gone).await;
    let mut tx = begin(&store);
    for key in [&gone, &new] {
        tx.assume_absent(key);
        assert_eq!(tx.get(key).await.unwrap(), None);
        tx.create(key.clone(), document(key, "\"n\":2")).await.unwrap();
    }
    assert_eq!(number(tx.get(&there).await.unwrap().as_ref()), 1);
    for key in [&there, &new] {
        tx.assume_absent(key);
        assert!(tx.get(key).await.unwrap().is_some());
    }
    let written = tx.commit().await.unwrap();
    assert_eq!(written[&gone].version(), Some(version(3)));
    assert_eq!(written[&new].version(), Some(version(1)));
    let before = everything(&store).await;
    let other = key("notes", "a");
    for written in [&there, &other] {
        let mut tx = begin(&store);
        tx.assume_absent(&there);
        tx.save(written.clone(), document(written, "\"n\":3"));
        let error = assert_kind(tx.commit().await, ErrorKind::Conflict);
        assert_eq!(error.failed_preconditions().len(), 1, "{error:?}");
        assert_eq!(everything(&store).await, before);
    }
}

/// Rolling back and dropping leave nothing behind.
pub async fn dropping_a_transaction_rolls_it_back(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    save(&store, &key, "").await;
    let before = everything(&store).await;
    let fill = async |mut tx: Transaction| {
        tx.get(&key).await.unwrap();
        tx.save(key.clone(), document(&key, "\"n\":1"));
        tx.delete(super::support::key("notes", "b"));
        tx
    };
    fill(begin(&store)).await.rollback();
    drop(fill(begin(&store)).await);
    assert_eq!(everything(&store).await, before);
    assert_eq!(save(&store, &key, "").await, 2);
}

/// Creating, updating and deleting are checked against what the transaction
/// sees.
pub async fn conditions_hold_within_a_transaction(f: Fixture) {
    let store = f.prepared().await;
    let [there, absent] = ["there", "absent"].map(|id| key("items", id));
    save(&store, &there, "").await;
    let mut tx = begin(&store);
    let body = |key: &Key| document(key, "\"n\":1");
    let created = tx.create(there.clone(), body(&there)).await;
    assert_kind(created, ErrorKind::AlreadyExists);
    let updated = tx.update(absent.clone(), body(&absent), version(1)).await;
    assert_kind(updated, ErrorKind::NotFound);
    let updated = tx.update(there.clone(), body(&there), version(2)).await;
    assert_kind(updated, ErrorKind::Conflict);
    tx.create(absent.clone(), body(&absent)).await.unwrap();
    let unstored = tx.update(absent.clone(), body(&absent), version(1)).await;
    assert!(unstored.is_err(), "what this transaction made has no version yet");
    tx.delete(absent.clone());
    assert_kind(tx.delete_version(absent.clone(), version(1)).await, ErrorKind::NotFound);
    tx.delete_version(there.clone(), version(1)).await.unwrap();
    let updated = tx.update(there.clone(), body(&there), version(1)).await;
    assert_kind(updated, ErrorKind::NotFound);
    tx.create(there.clone(), body(&there)).await.unwrap();
    tx.commit().await.unwrap();
    let kept = entity(&store, &there).await;
    assert_eq!((kept.version.get(), number(Some(&kept.document))), (2, 1));
}

/// A transaction over several collections is one commit.
pub async fn a_transaction_spans_collections(f: Fixture) {
    let store = f.prepared().await;
    let keys = ["items", "notes", "things"].map(|name| key(name, "a"));
    let mut tx = begin(&store);
    for key in &keys {
        assert_eq!(tx.get(key).await.unwrap(), None);
        tx.save(key.clone(), document(key, ""));
    }
    save(&store, &keys[2], "").await;
    assert_kind(tx.commit().await, ErrorKind::Conflict);
    assert_eq!(record(&store, &keys[0]).await, None);
    assert_eq!(record(&store, &keys[1]).await, None);
}

/// A transaction that only reads writes nothing, and still fails when what it
/// read did not stand together.
pub async fn reading_alone_is_checked_too(f: Fixture) {
    let store = f.prepared().await;
    let [a, b] = ["a", "b"].map(|id| key("items", id));
    save(&store, &a, "").await;
    let before = everything(&store).await;
    let mut tx = begin(&store);
    tx.get(&a).await.unwrap();
    tx.get(&b).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(everything(&store).await, before);
    let mut tx = begin(&store);
    tx.get(&a).await.unwrap();
    save(&store, &a, "").await;
    tx.get(&b).await.unwrap();
    assert_kind(tx.commit().await, ErrorKind::Conflict);
    begin(&store).commit().await.unwrap();
}

/// An error of the closure rolls back and is returned as it is, without
/// another attempt.
pub async fn an_error_of_the_closure_rolls_back(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    let mut attempts = 0;
    let answer: Result<(), Error> = transaction(&store, RetryPolicy::default(), async |tx| {
        attempts += 1;
        tx.save(key.clone(), document(&key, ""));
        Err(Error::new(ErrorKind::Unavailable, "a test", "mine"))
    })
    .await;
    let error = assert_kind(answer, ErrorKind::Unavailable);
    assert_eq!((error.operation(), attempts), ("a test", 1));
    assert_eq!(everything(&store).await, []);
}

/// A closure that asks for it is run again after its error, with nothing of the
/// run before, and at most as often as the policy says.
pub async fn the_closure_may_ask_for_another_run(f: Fixture) {
    let store = f.prepared().await;
    let [kept, dropped] = ["kept", "dropped"].map(|id| key("items", id));
    for (fails, goes_through) in [(2, true), (5, false)] {
        let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
        let mut attempts = 0;
        let answer: Result<(), Error> = transaction(&store, policy, async |tx| {
            attempts += 1;
            if attempts <= fails {
                tx.save(dropped.clone(), document(&dropped, ""));
                tx.try_again();
                return Err(Error::new(ErrorKind::NotFound, "a test", "not yet"));
            }
            tx.save(kept.clone(), document(&kept, ""));
            Ok(())
        })
        .await;
        assert_eq!((answer.is_ok(), attempts), (goes_through, 3));
        if let Err(error) = answer {
            assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, "a test"));
        }
    }
    assert_eq!(entity(&store, &kept).await.version.get(), 1);
    assert_eq!(record(&store, &dropped).await, None);
}

/// Conflicts are retried, at most as often as the policy says.
pub async fn conflicts_are_retried(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    save(&store, &key, "\"n\":0").await;
    for (conflicts, goes_through) in [(2, true), (5, false)] {
        let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
        let mut attempts = 0;
        let answer = transaction(&store, policy, async |tx| {
            let n = number(tx.get(&key).await?.as_ref());
            attempts += 1;
            if attempts <= conflicts {
                save(&store, &key, &format!("\"n\":{n}")).await;
            }
            tx.save(key.clone(), document(&key, &format!("\"n\":{}", n + 1)));
            Ok(())
        })
        .await;
        assert_eq!((answer.is_ok(), attempts), (goes_through, 3));
        if let Err(error) = answer {
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
    }
    assert_eq!(number(Some(&entity(&store, &key).await.document)), 1);
}

/// 64 tasks raise one counter at the same time: no update is lost.
pub async fn no_update_is_lost(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let tasks = (0..64).map(|at| {
        let handle = if at % 2 == 0 { &store } else { &other };
        let handle = std::sync::Arc::clone(handle);
        tokio::spawn(raise_the_counter(handle))
    });
    for answer in futures::future::join_all(tasks).await {
        answer.unwrap().unwrap();
    }
    let kept = entity(&store, &key("items", "counter")).await;
    assert_eq!((number(Some(&kept.document)), kept.version.get()), (64, 64));
}

async fn raise_the_counter(store: Store) -> repo_core::Result<()> {
    let policy = RetryPolicy {
        max_attempts: 100_000,
        max_delay: std::time::Duration::from_millis(20),
        ..RetryPolicy::default()
    };
    let key = key("items", "counter");
    transaction(&store, policy, async move |tx| {
        let n = number(tx.get(&key).await?.as_ref());
        tx.save(key.clone(), document(&key, &format!("\"n\":{}", n + 1)));
        Ok(())
    })
    .await
}
