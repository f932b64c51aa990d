//! Leases that are renewed in the background, by the clock of tokio, which stands still while
//! something is to be done.

use std::sync::Arc;
use std::time::Duration;

use repo_lease::{HolderName, Leases};
use repo_testkit::{Fate, Fates};
use tokio::time::{Instant, sleep};

use crate::common::{Store, put, refused, scope};
use crate::party::{TTL, World, assert_lost, ttl};

fn leases(store: &Store, name: &str) -> Leases {
    Leases::new(Arc::clone(store)).with_holder(HolderName::new(name).unwrap())
}

/// Nobody takes a lease over while it is renewed, and somebody does when it is no longer.
#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_as_long_as_it_is_renewed() {
    let world = World::memory().await;
    let (one, other) = (leases(&world.store, "one"), leases(&world.store, "other"));
    let lease = one.acquire(&scope(), ttl()).await.unwrap();
    let renewing = lease.keep_alive();
    for _ in 0..50 {
        sleep(TTL / 4).await;
        refused(other.try_acquire(&scope(), ttl()).await);
    }
    lease.commit(vec![put("a", 1)]).await.unwrap();
    assert!(!renewing.is_lost() && lease.remaining() > TTL / 2);
    drop(renewing);
    let begin = Instant::now();
    let next = other.acquire(&scope(), ttl()).await.unwrap();
    let waited = begin.elapsed();
    assert!(waited > TTL / 2 && waited < 2 * TTL, "{waited:?}");
    assert_lost(&lease, lease.commit(vec![put("a", 2)]).await);
    next.release().await.unwrap();
}

/// Whoever renews a lease learns that it is lost.
#[tokio::test(start_paused = true)]
async fn a_loss_is_told() {
    let world = World::memory().await;
    let (one, other) = (leases(&world.store, "one"), leases(&world.store, "other"));
    let lease = one.acquire(&scope(), ttl()).await.unwrap();
    let mut renewing = lease.keep_alive();
    other.force_release(&scope(), lease.token()).await.unwrap();
    assert!(!renewing.is_lost());
    let begin = Instant::now();
    renewing.lost().await;
    assert!(begin.elapsed() <= TTL / 2 && renewing.is_lost());
    // It stays told.
    renewing.lost().await;
}

/// A store that takes no renewals: they are tried again, and given up when the time has
/// passed.
#[tokio::test(start_paused = true)]
async fn renewals_that_fail_are_tried_again_for_the_time_of_the_lease() {
    let world = World::memory().await;
    let (fates, store) = Fates::over(&world.store);
    let lease = leases(&store, "one").acquire(&scope(), ttl()).await.unwrap();
    let mut renewing = lease.keep_alive();
    fates.plan([Fate::Refused, Fate::Unheard, Fate::Vanished, Fate::Refused]);
    sleep(3 * TTL).await;
    assert!(!renewing.is_lost() && fates.left() == 0);

    fates.plan(std::iter::repeat_n(Fate::Refused, 10_000));
    let begin = Instant::now();
    renewing.lost().await;
    let waited = begin.elapsed();
    let most = TTL + TTL / 4;
    assert!(waited > TTL / 2 && waited < most, "{waited:?}");
    assert!(fates.left() > 9_900, "pauses grow");
    // Nobody has taken it over.
    fates.plan([]);
    lease.renew().await.unwrap();
    assert!(lease.remaining() > TTL - Duration::from_secs(1));
    lease.release().await.unwrap();
}
