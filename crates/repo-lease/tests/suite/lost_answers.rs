//! Commits whose answers are lost, or that are refused for a moment.

use repo_core::ErrorKind;
use repo_lease::LeaseMode::{Exclusive, Shared};
use repo_testkit::Fate::{Refused, Unheard, Vanished};
use repo_testkit::Fates;

use crate::common::{refused, scope};
use crate::party::{Party, World};

fn through(world: &World) -> (Fates, Party) {
    let (fates, store) = Fates::over(&world.store);
    (fates, Party::of(&store, "one"))
}

/// Who acquires finds out what its commit did, and holds the lease once.
#[tokio::test]
async fn an_acquisition_is_found_out() {
    for mode in [Exclusive, Shared] {
        for fate in [Unheard, Vanished, Refused] {
            let world = World::memory().await;
            let (fates, party) = through(&world);
            fates.plan([fate.clone()]);
            let lease = party.try_in(mode).await.unwrap();
            assert_eq!(fates.left(), 0);
            let status = party.leases.status(&scope()).await.unwrap().unwrap();
            assert_eq!((status.token, status.holders.len()), (lease.token(), 1), "{fate:?}");
            lease.check().await.unwrap();
            lease.renew().await.unwrap();
            world.party("other").is_kept_away(Exclusive).await;
            lease.release().await.unwrap();
            world.party("other").alone().await.release().await.unwrap();
        }
    }
}

/// The same for one that joins others.
#[tokio::test]
async fn a_place_beside_others_is_found_out() {
    for fate in [Unheard, Vanished, Refused] {
        let world = World::memory().await;
        let (fates, party) = through(&world);
        let beside = world.party("other").shares().await;
        fates.plan([fate]);
        let lease = party.shares().await;
        let status = party.leases.status(&scope()).await.unwrap().unwrap();
        assert_eq!((status.token, status.holders.len()), (beside.token(), 2));
        fates.plan([Unheard]);
        lease.release().await.unwrap();
        beside.release().await.unwrap();
        assert_eq!(party.leases.status(&scope()).await.unwrap(), None);
    }
}

/// A store that refuses on and on is reported.
#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_reported() {
    for (fate, kind) in [(Refused, ErrorKind::Unavailable), (Vanished, ErrorKind::OutcomeUnknown)] {
        let world = World::memory().await;
        let (fates, party) = through(&world);
        fates.plan(std::iter::repeat_n(fate, 1_000));
        assert_eq!(refused(party.try_in(Exclusive).await).kind(), kind);
        assert!(fates.left() > 900);
        let waits = party.leases.acquire(&scope(), crate::party::ttl()).await;
        assert_eq!(refused(waits).kind(), kind);
    }
}

/// A renewal that was done without an answer is no loss: the next one goes on from it.
#[tokio::test]
async fn a_renewal_goes_on_from_one_whose_answer_was_lost() {
    for mode in [Exclusive, Shared] {
        let world = World::memory().await;
        let (fates, party) = through(&world);
        let lease = party.try_in(mode).await.unwrap();
        for (fate, kind) in [
            (Unheard, ErrorKind::OutcomeUnknown),
            (Vanished, ErrorKind::OutcomeUnknown),
            (Refused, ErrorKind::Unavailable),
        ] {
            fates.plan([fate]);
            assert_eq!(refused(lease.renew().await).kind(), kind);
            lease.renew().await.unwrap();
        }
        lease.release().await.unwrap();
    }
}

/// A release that was done without an answer is done; one that was not is made again.
#[tokio::test]
async fn a_release_is_found_out() {
    for mode in [Exclusive, Shared] {
        for fate in [Unheard, Vanished, Refused] {
            let world = World::memory().await;
            let (fates, party) = through(&world);
            let lease = party.try_in(mode).await.unwrap();
            fates.plan([fate]);
            lease.release().await.unwrap();
            world.party("other").alone().await.release().await.unwrap();
        }
    }
}
