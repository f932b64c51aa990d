//! Two commits that meet: each pair of them in the order that could go wrong.

use repo_lease::LeaseMode::{Exclusive, Shared};
use repo_testkit::Fates;

use crate::common::{put, refused, stored};
use crate::party::{Party, TTL, World, assert_lost};

/// Somebody whose next commit can be held.
fn slow(world: &World) -> (Fates, Party) {
    let (fates, store) = Fates::over(&world.store);
    (fates, Party::of(&store, "slow"))
}

/// A holder that renews between the last look of the one who waits and its commit keeps the
/// lease.
#[tokio::test]
async fn a_renewal_in_the_last_moment_keeps_the_lease() {
    for mode in [Exclusive, Shared] {
        let world = World::memory().await;
        let (fates, slow) = slow(&world);
        let lease = world.party("one").try_in(mode).await.unwrap();
        slow.is_kept_away(Exclusive).await;
        slow.waits(TTL);
        let gate = fates.hold(0);
        let takes = tokio::spawn(async move { slow.try_in(Exclusive).await });
        gate.reached().await;
        lease.renew().await.unwrap();
        gate.open();
        let error = refused(takes.await.unwrap());
        assert_eq!(error.kind(), repo_core::ErrorKind::Locked, "{error:?}");
        lease.commit(vec![put("a", 1)]).await.unwrap();
        lease.release().await.unwrap();
    }
}

/// What a holder sent in time and arrives late is refused.
#[tokio::test]
async fn a_commit_that_arrives_after_a_take_over_is_refused() {
    for mode in [Exclusive, Shared] {
        let world = World::memory().await;
        let (fates, slow) = slow(&world);
        let late = slow.try_in(mode).await.unwrap();
        let other = world.party("other");
        other.is_kept_away(Exclusive).await;
        other.waits(TTL);
        let gate = fates.hold(0);
        let sends = async { late.commit(vec![put("a", 1)]).await };
        let meanwhile = async {
            gate.reached().await;
            let lease = other.alone().await;
            gate.open();
            lease
        };
        let (sent, lease) = futures::future::join(sends, meanwhile).await;
        assert_lost(&late, sent);
        assert_eq!(stored(&world.store, "a").await, None);
        lease.release().await.unwrap();
    }
}

/// A renewal that arrives late neither revives the lease nor disturbs its new holder.
#[tokio::test]
async fn a_renewal_that_arrives_after_a_take_over_is_refused() {
    let world = World::memory().await;
    let (fates, slow) = slow(&world);
    let late = slow.alone().await;
    let other = world.party("other");
    other.is_kept_away(Exclusive).await;
    other.waits(TTL);
    let gate = fates.hold(0);
    let renews = async { late.renew().await };
    let meanwhile = async {
        gate.reached().await;
        let lease = other.alone().await;
        gate.open();
        lease
    };
    let (renewed, lease) = futures::future::join(renews, meanwhile).await;
    assert_lost(&late, renewed);
    lease.renew().await.unwrap();
    lease.release().await.unwrap();
}

/// A holder that joins while a writer takes the lease from those who are silent: the writer
/// finds it, or it finds the writer.
#[tokio::test]
async fn joining_and_taking_over_exclude_each_other() {
    // Joins first.
    let world = World::memory().await;
    let (fates, writer) = slow(&world);
    let silent = world.party("one").shares().await;
    writer.is_kept_away(Exclusive).await;
    writer.waits(TTL);
    let gate = fates.hold(0);
    let takes = tokio::spawn(async move { writer.try_in(Exclusive).await });
    gate.reached().await;
    let joined = world.party("other").shares().await;
    gate.open();
    let error = refused(takes.await.unwrap());
    assert_eq!(error.kind(), repo_core::ErrorKind::Locked, "{error:?}");
    silent.commit(vec![put("a", 1)]).await.unwrap();
    joined.commit(vec![put("a", 2)]).await.unwrap();

    // Is overtaken.
    let world = World::memory().await;
    let (fates, joins) = slow(&world);
    let (silent, writer) = (world.party("one").shares().await, world.party("writer"));
    writer.is_kept_away(Exclusive).await;
    writer.waits(TTL);
    let gate = fates.hold(0);
    let joining = tokio::spawn(async move { joins.try_in(Shared).await });
    gate.reached().await;
    let lease = writer.alone().await;
    gate.open();
    let error = refused(joining.await.unwrap());
    assert_eq!(error.kind(), repo_core::ErrorKind::Locked, "{error:?}");
    assert_lost(&silent, silent.check().await);
    lease.check().await.unwrap();
}

/// The last of those who share a lease leaves while another one joins.
#[tokio::test]
async fn leaving_last_and_joining_exclude_each_other() {
    // Joins first: the lease stays.
    let world = World::memory().await;
    let (fates, leaves) = slow(&world);
    let lease = leaves.shares().await;
    let token = lease.token();
    let gate = fates.hold(0);
    let leaving = tokio::spawn(lease.release());
    gate.reached().await;
    let joined = world.party("other").shares().await;
    gate.open();
    leaving.await.unwrap().unwrap();
    assert_eq!(joined.token(), token);
    joined.renew().await.unwrap();
    joined.check().await.unwrap();
    world.party("writer").is_kept_away(Exclusive).await;
    joined.release().await.unwrap();

    // Leaves first: the other one begins anew.
    let (fates, joins) = slow(&world);
    let lease = world.party("one").shares().await;
    let token = lease.token();
    let gate = fates.hold(0);
    let joining = tokio::spawn(async move { joins.try_in(Shared).await });
    gate.reached().await;
    lease.release().await.unwrap();
    gate.open();
    let joined = joining.await.unwrap().unwrap();
    assert!(joined.token() > token);
    joined.check().await.unwrap();
    joined.release().await.unwrap();
}

/// Two who take the place of the same silent holder: one has it.
#[tokio::test]
async fn two_who_take_over_at_once_exclude_each_other() {
    let world = World::memory().await;
    let (fates, slow) = slow(&world);
    let (late, other) = (world.party("one").alone().await, world.party("other"));
    for party in [&slow, &other] {
        party.is_kept_away(Exclusive).await;
        party.waits(TTL);
    }
    let gate = fates.hold(0);
    let takes = tokio::spawn(async move { slow.try_in(Exclusive).await });
    gate.reached().await;
    let lease = other.alone().await;
    gate.open();
    let error = refused(takes.await.unwrap());
    assert_eq!(error.context_value("holder"), Some("other"), "{error:?}");
    assert_lost(&late, late.check().await);
    lease.check().await.unwrap();
}
