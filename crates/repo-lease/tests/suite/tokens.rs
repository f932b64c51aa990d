//! Tokens rise, whatever becomes of the records.

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, ErrorKind, Timestamp};
use repo_lease::{LEASE_STATE, LEASES, Lease, LeaseMode};

use crate::common::{Store, refused, scope};
use crate::party::{TTL, World};

on_every_store![a_token_comes_once, the_token_is_the_version_of_the_record];

/// Leases that were given back, released by force or replaced leave tombstones, which are
/// removed; still no later holder has a token of an earlier one, and no guard of an earlier
/// one holds.
async fn a_token_comes_once(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let (mut last, mut guards) = (0, Vec::new());
    for round in 0..6 {
        let mode = if round % 2 == 0 { LeaseMode::Exclusive } else { LeaseMode::Shared };
        let lease = one.try_in(mode).await.unwrap();
        assert!(lease.token().get() > last, "{} after {last}", lease.token());
        last = lease.token().get();
        guards.push(lease.guard());
        match round / 2 {
            0 => lease.release().await.unwrap(),
            1 => one.leases.force_release(&scope(), lease.token()).await.unwrap(),
            _ => {
                other.is_kept_away(LeaseMode::Exclusive).await;
                other.waits(TTL);
                let replaces = other.alone().await;
                assert!(replaces.token().get() > last);
                last = replaces.token().get();
                guards.push(replaces.guard());
                replaces.release().await.unwrap();
            }
        }
        purge(&world.store).await;
    }
    let holds = one.alone().await;
    for guard in guards {
        let error = refused(world.store.commit(vec![guard]).await);
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
    holds.release().await.unwrap();
}

async fn purge(store: &Store) {
    let later = Timestamp::parse("2200-01-01T00:00:00Z").unwrap();
    for name in [LEASES, LEASE_STATE] {
        store.purge(&CollectionName::new(name).unwrap(), later).await.unwrap();
    }
}

async fn the_token_is_the_version_of_the_record(world: World) {
    let party = world.party("one");
    let lease = party.alone().await;
    assert_eq!(version(&world.store).await, Some(lease.token().get()));
    for _ in 0..3 {
        lease.renew().await.unwrap();
    }
    assert_eq!(version(&world.store).await, Some(lease.token().get()));
    lease.release().await.unwrap();
    assert_eq!(version(&world.store).await, None);
    let (first, second): (Lease, Lease) = (party.shares().await, party.shares().await);
    for lease in [first, second] {
        assert_eq!(version(&world.store).await, Some(lease.token().get()));
        lease.renew().await.unwrap();
        lease.release().await.unwrap();
    }
    assert_eq!(version(&world.store).await, None);
}

async fn version(store: &Store) -> Option<u64> {
    let leases = CollectionName::new(LEASES).unwrap();
    let id = scope().as_str().parse().unwrap();
    store.get(&leases, &id).await.unwrap().map(|entity| entity.version.get())
}
