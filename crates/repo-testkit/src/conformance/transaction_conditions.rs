//! Conditions that a transaction is given, of keys that it need not have read.

use std::sync::Arc;

use repo_core::{Error, ErrorKind, Precondition, RetryPolicy, Transaction, transaction};

use super::support::{
    assert_kind, delete, document, entity, everything, failures, key, save, version,
};
use crate::{Fixture, Store};

fn begin(store: &Store) -> Transaction {
    Transaction::begin(Arc::clone(store))
}

/// A condition is checked by the commit, with nothing read: also one on what is absent, and
/// also where nothing is written. Its key stays as it is.
pub async fn a_required_condition_is_checked(f: Fixture) {
    let store = f.prepared().await;
    let [guard, absent, out] = [key("notes", "guard"), key("notes", "none"), key("items", "a")];
    save(&store, &guard, "").await;
    let required = |tx: &mut Transaction| {
        tx.require(guard.clone(), Precondition::Version(version(1))).unwrap();
        tx.require(absent.clone(), Precondition::Absent).unwrap();
    };
    for writes in [true, false] {
        let mut tx = begin(&store);
        required(&mut tx);
        if writes {
            tx.save(out.clone(), document(&out, "\"n\":1"));
        }
        tx.commit().await.unwrap();
    }
    assert_eq!(entity(&store, &guard).await.version, version(1));
    assert_eq!(entity(&store, &out).await.version, version(1));
    save(&store, &guard, "\"n\":2").await;
    let before = everything(&store).await;
    for writes in [true, false] {
        let mut tx = begin(&store);
        required(&mut tx);
        if writes {
            tx.save(out.clone(), document(&out, "\"n\":2"));
        }
        let error = assert_kind(tx.commit().await, ErrorKind::Conflict);
        let expected = Precondition::Version(version(1));
        assert_eq!(failures(&error), [("notes/guard".to_owned(), expected, Some(2))]);
        assert_eq!(everything(&store).await, before);
    }
    // A version that is gone does not come back, whatever became of its key.
    delete(&store, &guard).await;
    let mut tx = begin(&store);
    required(&mut tx);
    assert_kind(tx.commit().await, ErrorKind::Conflict);
}

/// A key with a condition may be read or written as well: the commit names it once, and what
/// does not agree is a conflict.
pub async fn a_required_key_may_be_read_and_written(f: Fixture) {
    let store = f.prepared().await;
    let guard = key("items", "guard");
    save(&store, &guard, "").await;
    let at = |number| Precondition::Version(version(number));
    for (condition, reads, holds) in [
        (at(1), true, true),
        (at(2), false, true),
        (Precondition::Exists, true, true),
        (at(3), true, false),
        (at(3), false, false),
        (Precondition::Absent, true, false),
        (Precondition::Absent, false, false),
    ] {
        let before = everything(&store).await;
        let mut tx = begin(&store);
        if reads {
            tx.get(&guard).await.unwrap();
        }
        tx.require(guard.clone(), condition).unwrap();
        tx.save(guard.clone(), document(&guard, "\"n\":1"));
        let committed = tx.commit().await;
        assert_eq!(committed.is_ok(), holds, "{condition}, read: {reads}: {committed:?}");
        if !holds {
            let error = assert_kind(committed, ErrorKind::Conflict);
            assert_eq!(error.failed_preconditions().len(), 1, "{error:?}");
            assert_eq!(everything(&store).await, before);
        } else if condition == at(1) {
            assert_eq!(entity(&store, &guard).await.version, version(2));
        }
    }
    let mut tx = begin(&store);
    tx.require(guard.clone(), at(1)).unwrap();
    tx.require(guard.clone(), at(1)).unwrap();
    assert_kind(tx.require(guard.clone(), at(2)), ErrorKind::Invalid);
}

/// A condition that does not hold ends a transaction that would be tried again; what was read
/// and has changed is tried again beside one that holds.
pub async fn a_required_condition_is_not_tried_again(f: Fixture) {
    let store = f.prepared().await;
    let [guard, counter] = [key("notes", "guard"), key("items", "counter")];
    save(&store, &guard, "").await;
    save(&store, &counter, "").await;
    for (number, expected) in [(1, 3), (7, 1)] {
        let policy = RetryPolicy { max_attempts: 5, ..RetryPolicy::default() };
        let mut attempts = 0;
        let answer: Result<(), Error> = transaction(&store, policy, async |tx| {
            attempts += 1;
            tx.require(guard.clone(), Precondition::Version(version(number)))?;
            tx.get(&counter).await?;
            if attempts <= 2 {
                save(&store, &counter, "").await;
            }
            tx.save(counter.clone(), document(&counter, "\"n\":1"));
            Ok(())
        })
        .await;
        assert_eq!((answer.is_ok(), attempts), (number == 1, expected));
        if let Err(error) = answer {
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
    }
}
