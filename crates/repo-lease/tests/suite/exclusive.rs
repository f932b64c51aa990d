//! One holder at a time.

use std::time::Duration;

use repo_core::{ErrorKind, Precondition};
use repo_lease::{LeaseMode, LeaseScope};

use crate::common::{number, put, put_if, refused, scope, stored};
use crate::party::{TTL, World, assert_lost, ttl};

on_every_store![
    one_of_two_has_it,
    of_many_who_want_it_at_once_one_has_it,
    a_silent_holder_is_replaced_and_refused,
    who_waits_has_it_next,
    scopes_are_for_themselves,
    a_conflict_of_the_callers_own_is_no_loss,
];

/// Nobody else has it until it is given back; then anybody has it at once.
async fn one_of_two_has_it(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let lease = one.alone().await;
    assert_eq!((lease.scope(), lease.mode()), (&scope(), LeaseMode::Exclusive));
    assert_eq!((lease.holder().as_str(), lease.ttl()), ("one", ttl()));
    let error = other.is_kept_away(LeaseMode::Exclusive).await;
    assert_eq!(error.context_value("holder"), Some("one"));
    assert_eq!(error.context_value("token"), Some(lease.token().to_string().as_str()));
    // It is one acquisition that holds it, not a process.
    one.is_kept_away(LeaseMode::Exclusive).await;
    lease.check().await.unwrap();
    let token = lease.token();
    lease.release().await.unwrap();
    let next = other.alone().await;
    assert!(next.token() > token, "{} after {token}", next.token());
    one.is_kept_away(LeaseMode::Exclusive).await;
    next.release().await.unwrap();
}

async fn of_many_who_want_it_at_once_one_has_it(world: World) {
    for _ in 0..3 {
        let parties: Vec<_> = (0..8).map(|n| world.party(&format!("party {n}"))).collect();
        let wanted = parties.iter().map(|party| party.try_in(LeaseMode::Exclusive));
        let mut leases = Vec::new();
        for answer in futures::future::join_all(wanted).await {
            match answer {
                Ok(lease) => leases.push(lease),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}"),
            }
        }
        assert_eq!(leases.len(), 1);
        leases.remove(0).release().await.unwrap();
    }
}

/// A holder that is not heard of for its time, as the one who waits sees it, is replaced. What
/// it does then is refused, and changes nothing.
async fn a_silent_holder_is_replaced_and_refused(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let late = one.alone().await;
    late.commit(vec![put("a", 1)]).await.unwrap();
    // Time that nobody watched does not count.
    other.waits(3 * TTL);
    other.is_kept_away(LeaseMode::Exclusive).await;
    other.waits(TTL - Duration::from_millis(1));
    other.is_kept_away(LeaseMode::Exclusive).await;
    other.waits(Duration::from_millis(1));
    let lease = other.alone().await;
    assert!(lease.token() > late.token());

    assert_lost(&late, late.commit(vec![put("a", 2), put("b", 2)]).await);
    assert_lost(&late, late.check().await);
    assert_lost(&late, late.renew().await);
    lease.commit(vec![put("a", 3)]).await.unwrap();
    let kept = stored(&world.store, "a").await.unwrap();
    assert_eq!((number(&kept), kept.version.get()), (3, 2));
    assert_eq!(stored(&world.store, "b").await, None);

    // Giving back what somebody else has takes nothing from that one.
    let error = refused(late.release().await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    one.is_kept_away(LeaseMode::Exclusive).await;
    lease.renew().await.unwrap();
    lease.release().await.unwrap();
    one.alone().await.release().await.unwrap();
}

async fn who_waits_has_it_next(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let lease = one.alone().await;
    let waits = tokio::spawn(async move { other.leases.acquire(&scope(), ttl()).await });
    let token = lease.token();
    lease.commit(vec![put("a", 1)]).await.unwrap();
    lease.release().await.unwrap();
    let next = waits.await.unwrap().unwrap();
    assert!(next.token() > token);
    next.release().await.unwrap();
}

async fn scopes_are_for_themselves(world: World) {
    let party = world.party("one");
    let longest = "ü".repeat(LeaseScope::MAX_BYTES / 2);
    let mut leases = Vec::new();
    for text in ["a", "A", "a/b", "00/a", &longest] {
        let scope = LeaseScope::new(text).unwrap();
        leases.push(party.leases.try_acquire(&scope, ttl()).await.unwrap());
    }
    for lease in leases {
        lease.renew().await.unwrap();
        lease.release().await.unwrap();
    }
}

/// What else fails of a guarded commit has the kind that it has without the guard.
async fn a_conflict_of_the_callers_own_is_no_loss(world: World) {
    let lease = world.party("one").alone().await;
    let written = lease.commit(vec![put("a", 1), put("b", 1)]).await.unwrap();
    assert_eq!(written.len(), 2);
    assert_eq!(lease.commit(Vec::new()).await.unwrap(), []);
    let error = refused(lease.commit(vec![put_if("a", 2, Precondition::Absent)]).await);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(!lease.is_lost(&error));
    let error = refused(lease.commit(vec![lease.guard()]).await);
    assert_eq!(error.kind(), ErrorKind::Invalid, "the guard is there already");
    lease.release().await.unwrap();
}
