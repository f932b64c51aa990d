//! Several holders that share a lease.

use repo_core::ErrorKind;
use repo_lease::{LeaseMode, MAX_SHARED_HOLDERS};

use crate::common::{put, refused};
use crate::party::{TTL, World, assert_lost};

on_every_store![
    who_may_hold_it_together,
    a_writer_waits_for_every_reader,
    the_last_reader_frees_it,
    a_reader_replaces_a_silent_writer,
    places_are_bounded_and_given_on,
    many_readers_join_and_leave_at_once,
];

async fn who_may_hold_it_together(world: World) {
    use LeaseMode::{Exclusive, Shared};
    let (one, other) = (world.party("one"), world.party("other"));
    for (held, wanted, together) in [
        (Exclusive, Exclusive, false),
        (Exclusive, Shared, false),
        (Shared, Exclusive, false),
        (Shared, Shared, true),
    ] {
        let first = one.try_in(held).await.unwrap();
        match other.try_in(wanted).await {
            Ok(second) => {
                assert!(together, "{held} beside {wanted}");
                assert_eq!(second.token(), first.token());
                second.commit(vec![put("a", 1)]).await.unwrap();
                second.release().await.unwrap();
            }
            Err(error) => {
                assert_eq!((together, error.kind()), (false, ErrorKind::Locked), "{error:?}");
                assert_eq!(error.context_value("mode"), Some(held.as_str()));
            }
        }
        first.check().await.unwrap();
        first.release().await.unwrap();
        // Nothing is left in the way.
        other.try_in(wanted).await.unwrap().release().await.unwrap();
    }
}

/// All who share it have to have given it back, or to be silent. Those who were replaced are
/// refused.
async fn a_writer_waits_for_every_reader(world: World) {
    let writer = world.party("writer");
    let reader = world.party("reader");
    let (first, second, third) =
        (reader.shares().await, reader.shares().await, reader.shares().await);
    let error = writer.is_kept_away(LeaseMode::Exclusive).await;
    assert_eq!(error.context().iter().filter(|(name, _)| *name == "holder").count(), 3);
    first.release().await.unwrap();
    writer.waits(TTL);
    second.renew().await.unwrap();
    writer.is_kept_away(LeaseMode::Exclusive).await;
    second.commit(vec![put("a", 1)]).await.unwrap();
    third.commit(vec![put("b", 1)]).await.unwrap();
    writer.waits(TTL);
    let lease = writer.alone().await;
    assert!(lease.token() > second.token());
    for late in [second, third] {
        assert_lost(&late, late.commit(vec![put("a", 2)]).await);
        assert_lost(&late, late.check().await);
        assert_lost(&late, late.renew().await);
        assert_eq!(refused(late.release().await).kind(), ErrorKind::Conflict);
    }
    lease.commit(vec![put("a", 3)]).await.unwrap();
    lease.release().await.unwrap();
}

async fn the_last_reader_frees_it(world: World) {
    let (writer, reader) = (world.party("writer"), world.party("reader"));
    let (first, second) = (reader.shares().await, reader.shares().await);
    let (token, guard) = (first.token(), first.guard());
    first.release().await.unwrap();
    // Its guard is that of all who share the lease.
    world.store.commit(vec![guard.clone()]).await.unwrap();
    writer.is_kept_away(LeaseMode::Exclusive).await;
    second.release().await.unwrap();
    assert_eq!(refused(world.store.commit(vec![guard]).await).kind(), ErrorKind::Conflict);
    let lease = writer.alone().await;
    assert!(lease.token() > token);
    lease.release().await.unwrap();
}

async fn a_reader_replaces_a_silent_writer(world: World) {
    let (writer, reader) = (world.party("writer"), world.party("reader"));
    let late = writer.alone().await;
    reader.is_kept_away(LeaseMode::Shared).await;
    reader.waits(TTL);
    let lease = reader.shares().await;
    assert_lost(&late, late.commit(vec![put("a", 1)]).await);
    let beside = writer.shares().await;
    assert_eq!(beside.token(), lease.token());
    lease.release().await.unwrap();
    beside.release().await.unwrap();
}

/// One more than there are places has to wait, and then takes the place of a silent holder;
/// a writer takes all of them at once.
async fn places_are_bounded_and_given_on(world: World) {
    let (writer, reader) = (world.party("writer"), world.party("reader"));
    let mut held = Vec::new();
    for _ in 0..MAX_SHARED_HOLDERS {
        held.push(reader.shares().await);
    }
    reader.is_kept_away(LeaseMode::Shared).await;
    reader.waits(TTL);
    let next = reader.shares().await;
    // The first place was given on: it can no longer be renewed. But nobody has written.
    let first = held.remove(0);
    assert_lost(&first, first.renew().await);
    first.commit(vec![put("a", 1)]).await.unwrap();
    assert_eq!(refused(first.release().await).kind(), ErrorKind::Conflict);
    held[0].renew().await.unwrap();

    writer.is_kept_away(LeaseMode::Exclusive).await;
    writer.waits(TTL);
    let lease = writer.alone().await;
    for late in held.iter().chain([&next]) {
        assert_lost(late, late.commit(vec![put("a", 2)]).await);
    }
    lease.release().await.unwrap();
    reader.shares().await.release().await.unwrap();
}

/// Joining and leaving change one record, and all of them get through.
async fn many_readers_join_and_leave_at_once(world: World) {
    let readers = (0..6).map(|n| {
        let reader = world.party(&format!("reader {n}"));
        tokio::spawn(async move {
            for _ in 0..3 {
                let ttl = crate::party::ttl();
                let lease = reader.leases.acquire_shared(&crate::common::scope(), ttl).await;
                let lease = lease.unwrap();
                lease.renew().await.unwrap();
                lease.release().await.unwrap();
            }
        })
    });
    for reader in futures::future::join_all(readers).await {
        reader.unwrap();
    }
    world.party("writer").alone().await.release().await.unwrap();
}
