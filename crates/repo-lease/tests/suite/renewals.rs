//! Renewals keep others away, and disturb nobody.

use std::time::Duration;

use repo_core::Transaction;
use repo_lease::{Lease, LeaseMode};

use crate::common::{item, put, stored};
use crate::party::{Party, TTL, World};

on_every_store![
    a_lease_that_is_renewed_is_kept,
    a_renewal_disturbs_no_commit_under_way,
    renewals_beside_commits_fail_none_of_them,
];

async fn a_lease_that_is_renewed_is_kept(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    for mode in [LeaseMode::Exclusive, LeaseMode::Shared] {
        let lease = one.try_in(mode).await.unwrap();
        other.is_kept_away(LeaseMode::Exclusive).await;
        for _ in 0..3 {
            keeps(&lease, &one, &other).await;
        }
        other.waits(TTL);
        let next = other.alone().await;
        assert!(next.token() > lease.token());
        next.release().await.unwrap();
    }
}

/// The other one has waited long enough, but for the renewal.
async fn keeps(lease: &Lease, one: &Party, other: &Party) {
    let almost = TTL - Duration::from_millis(1);
    one.waits(almost);
    assert_eq!(lease.remaining(), Duration::from_millis(1));
    lease.renew().await.unwrap();
    assert_eq!(lease.remaining(), TTL);
    other.waits(TTL);
    other.is_kept_away(LeaseMode::Exclusive).await;
}

/// What was begun before a renewal is committed after it.
async fn a_renewal_disturbs_no_commit_under_way(world: World) {
    let lease = world.party("one").alone().await;
    let (token, guard) = (lease.token(), lease.guard());
    let mut transaction = Transaction::begin(world.store.clone());
    lease.protect(&mut transaction).unwrap();
    transaction.get(&item("a")).await.unwrap();
    transaction.save(item("a"), document("a"));
    for _ in 0..3 {
        lease.renew().await.unwrap();
    }
    transaction.commit().await.unwrap();
    world.store.commit(vec![put("b", 1), guard]).await.unwrap();
    assert_eq!(lease.token(), token);
    assert!(stored(&world.store, "a").await.is_some());
    lease.release().await.unwrap();
}

fn document(id: &str) -> repo_core::Document {
    repo_core::Document::parse(&format!(r#"{{"id":"{id}"}}"#)).unwrap()
}

/// One task renews while others commit with the guard.
async fn renewals_beside_commits_fail_none_of_them(world: World) {
    let lease = world.party("one").alone().await;
    let renews = async {
        for _ in 0..20 {
            lease.renew().await.unwrap();
        }
    };
    let writes = (0..3_u64).map(|writer| {
        let lease = &lease;
        async move {
            for number in 0..10 {
                lease.commit(vec![put(&format!("w{writer}"), number)]).await.unwrap();
            }
        }
    });
    futures::future::join(renews, futures::future::join_all(writes)).await;
    for writer in 0..3 {
        let kept = stored(&world.store, &format!("w{writer}")).await.unwrap();
        assert_eq!(kept.version.get(), 10);
    }
    lease.release().await.unwrap();
}
