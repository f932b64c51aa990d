//! Transactions on an entity that is locked: others wait before they read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use repo_core::{Document, Error, ErrorKind, FieldPath, Key, RetryPolicy};
use repo_lease::{LeaseMode, LeaseScope, LeaseTtl};

use crate::common::{item, number, put, refused, stored};
use crate::party::{Party, TTL, World, ttl};

on_every_store![
    one_at_a_time_runs_under_a_lock,
    who_writes_without_the_lock_is_noticed,
    an_error_gives_the_lock_back,
    who_has_lost_the_lock_writes_nothing,
    what_is_absent_can_be_locked,
    a_key_that_is_no_scope_is_refused,
];

fn read(document: Option<&Document>) -> u64 {
    let field = FieldPath::parse("n").unwrap();
    document.and_then(|found| found.get_text(&field)?.parse().ok()).unwrap_or(0)
}

fn document(number: u64) -> Document {
    Document::parse(&format!(r#"{{"id":"a","n":{number}}}"#)).unwrap()
}

/// No body runs beside another one, and none decides by what is out of date.
async fn one_at_a_time_runs_under_a_lock(world: World) {
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks = (0..4).map(|who| {
        let party = world.party(&format!("party-{who}"));
        let inside = Arc::clone(&inside);
        tokio::spawn(async move {
            for _ in 0..3 {
                let (inside, locks, key) = (Arc::clone(&inside), item("a"), item("a"));
                let policy = RetryPolicy::default();
                let locked = party.leases.execute_with_lock(
                    &locks,
                    ttl(),
                    policy,
                    async move |tx, found| {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        tokio::task::yield_now().await;
                        tx.save(key.clone(), document(read(found.as_ref()) + 1));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    },
                );
                locked.await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(number(&stored(&world.store, "a").await.unwrap()), 12);
}

/// Who changes the entity without the lock makes the body run again, with what is there now;
/// also if the body only reads.
async fn who_writes_without_the_lock_is_noticed(world: World) {
    let (party, key) = (world.party("one"), item("a"));
    for writes in [true, false] {
        world.store.commit(vec![put("a", 1)]).await.unwrap();
        let mut runs = 0;
        let seen = party.leases.execute_with_lock(
            &key,
            ttl(),
            RetryPolicy::default(),
            async |tx, found| {
                runs += 1;
                if runs == 1 {
                    world.store.commit(vec![put("a", 5)]).await?;
                }
                let seen = read(found.as_ref());
                if writes {
                    tx.save(item("a"), document(seen + 1));
                }
                Ok(seen)
            },
        );
        assert_eq!(seen.await.unwrap(), 5);
        assert_eq!(runs, 2);
        let left = if writes { 6 } else { 5 };
        assert_eq!(number(&stored(&world.store, "a").await.unwrap()), left);
    }
    let next = world.party("other").leases.try_acquire(&entity_scope(), ttl()).await.unwrap();
    next.release().await.unwrap();
}

fn entity_scope() -> LeaseScope {
    LeaseScope::of_entity(&item("a")).unwrap()
}

async fn failing(party: &Party, key: &Key) -> Error {
    let answer: Result<(), Error> = party
        .leases
        .execute_with_lock(key, ttl(), RetryPolicy::default(), async |tx, _| {
            tx.save(item("a"), document(9));
            Err(Error::new(ErrorKind::LimitExceeded, "a test", "enough"))
        })
        .await;
    refused(answer)
}

/// Nothing is written, and the next one need not wait for the lock to run out.
async fn an_error_gives_the_lock_back(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    assert_eq!(failing(&one, &item("a")).await.operation(), "a test");
    assert_eq!(stored(&world.store, "a").await, None);
    let next = other.leases.try_acquire(&entity_scope(), ttl()).await.unwrap();
    next.release().await.unwrap();
}

/// A holder that was stopped for longer than its time, and replaced, commits nothing, and is
/// not run again. Who replaced it keeps the lock.
async fn who_has_lost_the_lock_writes_nothing(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let (mut runs, mut taken) = (0, None);
    // So long that nothing renews it while the test runs.
    let long = LeaseTtl::new(TTL * 60).unwrap();
    let answer = one
        .leases
        .execute_with_lock(&item("a"), long, RetryPolicy::default(), async |tx, _| {
            runs += 1;
            refused(other.leases.try_acquire(&entity_scope(), ttl()).await);
            other.waits(TTL * 60);
            taken = Some(other.leases.try_acquire(&entity_scope(), ttl()).await?);
            tx.save(item("a"), document(1));
            Ok(())
        })
        .await;
    let error = refused(answer);
    assert_eq!((error.kind(), runs), (ErrorKind::Conflict, 1), "{error:?}");
    assert_eq!(error.context_value("lease"), Some("items/a"), "{error:?}");
    assert_eq!(stored(&world.store, "a").await, None);
    let taken = taken.unwrap();
    assert_eq!(taken.mode(), LeaseMode::Exclusive);
    taken.check().await.unwrap();
    taken.release().await.unwrap();
}

/// That nothing is there is locked as well: who creates it beside is noticed.
async fn what_is_absent_can_be_locked(world: World) {
    let party = world.party("one");
    let mut runs = 0;
    let created = party
        .leases
        .execute_with_lock(&item("a"), ttl(), RetryPolicy::default(), async |tx, found| {
            runs += 1;
            if runs == 1 {
                assert_eq!(found, None);
                world.store.commit(vec![put("a", 3)]).await?;
            }
            if found.is_none() {
                tx.save(item("a"), document(1));
            }
            Ok(found.is_none())
        })
        .await
        .unwrap();
    assert_eq!((created, runs), (false, 2));
    assert_eq!(number(&stored(&world.store, "a").await.unwrap()), 3);
}

/// The key of an entity may be too long for a lease.
async fn a_key_that_is_no_scope_is_refused(world: World) {
    let error = failing(&world.party("one"), &item(&"x".repeat(250))).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert_eq!(stored(&world.store, "a").await, None);
}
