//! Reads for update: nobody else changes what was read before the transaction ends, or the
//! transaction fails.

use std::sync::Arc;

use repo_core::{
    Document, ErrorKind, FieldPath, Precondition, RetryPolicy, Transaction, transaction,
};

use super::support::{
    assert_kind, delete, document, entity, everything, failures, key, records, save, version,
};
use crate::{Fixture, Store};

fn begin(store: &Store) -> Transaction {
    Transaction::begin(Arc::clone(store))
}

fn number(document: Option<&Document>) -> u64 {
    let n = FieldPath::parse("n").unwrap();
    document.and_then(|d| d.get_text(&n)?.parse().ok()).unwrap_or(0)
}

/// The commit checks it though nothing else was read and nothing is written; also that
/// something is absent. Nothing is changed by it.
pub async fn a_locked_read_alone_is_checked(f: Fixture) {
    let store = f.prepared().await;
    let [there, absent] = ["there", "absent"].map(|id| key("items", id));
    save(&store, &there, "\"n\":1").await;
    let mut tx = begin(&store);
    assert_eq!(number(tx.get_locked(&there).await.unwrap().as_ref()), 1);
    assert_eq!(tx.commit().await.unwrap()[&there].version(), None);
    assert_eq!(entity(&store, &there).await.version, version(1));
    for change in ["update", "delete", "appear"] {
        save(&store, &there, "\"n\":1").await;
        let read = if change == "appear" { &absent } else { &there };
        let (mut locked, mut plain) = (begin(&store), begin(&store));
        let seen = locked.get_locked(read).await.unwrap();
        assert_eq!(seen.is_some(), change != "appear");
        plain.get(read).await.unwrap();
        let expected = match change {
            "appear" => Precondition::Absent,
            _ => Precondition::Version(entity(&store, &there).await.version),
        };
        let actual = match change {
            "update" => Some(save(&store, &there, "\"n\":2").await),
            "appear" => Some(save(&store, &absent, "").await),
            _ => {
                delete(&store, &there).await;
                None
            }
        };
        let before = everything(&store).await;
        let error = assert_kind(locked.commit().await, ErrorKind::Conflict);
        assert_eq!(failures(&error), [(read.to_string(), expected, actual)], "{change}");
        // What was only read was right when it was read.
        assert!(plain.commit().await.unwrap().is_empty());
        assert_eq!(everything(&store).await, before, "{change}");
    }
}

/// It sees the transaction's own writes as every read does, and the commit checks what is
/// stored under them.
pub async fn a_locked_read_sees_what_the_transaction_wrote(f: Fixture) {
    let store = f.prepared().await;
    let [saved, deleted] = ["saved", "deleted"].map(|id| key("items", id));
    for fails in [false, true] {
        save(&store, &saved, "\"n\":1").await;
        save(&store, &deleted, "\"n\":1").await;
        let mut tx = begin(&store);
        tx.save(saved.clone(), document(&saved, "\"n\":7"));
        tx.delete(deleted.clone());
        assert_eq!(number(tx.get_locked(&saved).await.unwrap().as_ref()), 7);
        assert_eq!(tx.get_locked(&deleted).await.unwrap(), None);
        if fails {
            save(&store, &deleted, "\"n\":2").await;
            let before = everything(&store).await;
            assert_kind(tx.commit().await, ErrorKind::Conflict);
            assert_eq!(everything(&store).await, before);
        } else {
            tx.commit().await.unwrap();
            assert_eq!(number(Some(&entity(&store, &saved).await.document)), 7);
        }
    }
}

/// What was read before and is another one by now cannot be locked as it was read, and a
/// transaction that is run again is run again for it.
pub async fn what_has_changed_cannot_be_locked(f: Fixture) {
    let store = f.prepared().await;
    let counter = key("items", "counter");
    for first in ["read", "assumed absent"] {
        if first == "read" {
            save(&store, &counter, "\"n\":1").await;
        }
        let mut runs = 0;
        let seen = transaction(&store, RetryPolicy::default(), async |tx| {
            runs += 1;
            if first == "read" || runs > 1 {
                tx.get(&counter).await?;
            } else {
                tx.assume_absent(&counter);
            }
            if runs == 1 {
                save(&store, &counter, "\"n\":5").await;
                let error = tx.get_locked(&counter).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                assert_eq!(error.failed_preconditions().len(), 1);
                return Err(error);
            }
            Ok(number(tx.get_locked(&counter).await?.as_ref()))
        })
        .await
        .unwrap();
        assert_eq!((seen, runs), (5, 2), "{first}");
    }
}

/// Many who lock one entity, decide by it and write another one: each decides by what the
/// one before it left.
pub async fn who_locks_decides_by_what_is_there(f: Fixture) {
    let store = f.prepared().await;
    let (places, most) = (key("items", "places"), 5);
    save(&store, &places, "\"n\":0").await;
    let policy = RetryPolicy { max_attempts: 1_000, ..RetryPolicy::default() };
    let tasks = (0..12).map(|guest| {
        let (store, places) = (Arc::clone(&store), places.clone());
        tokio::spawn(async move {
            transaction(&store, policy, async move |tx| {
                let taken = number(tx.get_locked(&places).await?.as_ref());
                if taken == most {
                    return Ok(false);
                }
                let seat = key("notes", &format!("guest-{guest}"));
                tx.save(seat.clone(), document(&seat, &format!("\"n\":{taken}")));
                tx.save(places.clone(), document(&places, &format!("\"n\":{}", taken + 1)));
                Ok(true)
            })
            .await
            .unwrap()
        })
    });
    let mut seated = 0;
    for task in tasks.collect::<Vec<_>>() {
        seated += u64::from(task.await.unwrap());
    }
    assert_eq!(seated, most);
    assert_eq!(number(Some(&entity(&store, &places).await.document)), most);
    let mut seats: Vec<u64> = Vec::new();
    for record in records(&store, "notes").await {
        let live = record.into_live().unwrap();
        seats.push(number(Some(&live.document)));
    }
    seats.sort_unstable();
    assert_eq!(seats, (0..most).collect::<Vec<_>>());
}
