//! What an operator sees and does.

use std::collections::BTreeSet;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, Document, EntityId, ErrorKind, Key, Version};
use repo_lease::{LEASE_STATE, LEASES, LeaseMode, LeaseScope, Leases};

use crate::common::{put, refused, scope};
use crate::party::{World, assert_lost, ttl};

on_every_store![
    a_lease_says_who_holds_it,
    leases_are_listed_page_by_page,
    a_lease_is_released_by_force,
    a_damaged_lease_is_named_and_can_be_released,
    an_unprepared_store_is_refused,
];

async fn a_lease_says_who_holds_it(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    assert_eq!(one.leases.status(&scope()).await.unwrap(), None);
    let lease = one.alone().await;
    let status = other.leases.status(&scope()).await.unwrap().unwrap();
    assert_eq!((&status.scope, status.mode), (&scope(), LeaseMode::Exclusive));
    assert_eq!((status.token, status.holders.len()), (lease.token(), 1));
    assert_eq!((status.holders[0].name.as_str(), status.holders[0].ttl), ("one", ttl()));
    lease.release().await.unwrap();
    let (first, second) = (one.shares().await, other.shares().await);
    let status = one.leases.status(&scope()).await.unwrap().unwrap();
    let names: Vec<&str> = status.holders.iter().map(|holder| holder.name.as_str()).collect();
    assert_eq!((status.mode, names), (LeaseMode::Shared, vec!["one", "other"]));
    first.release().await.unwrap();
    second.release().await.unwrap();
    assert_eq!(one.leases.status(&scope()).await.unwrap(), None);
}

async fn leases_are_listed_page_by_page(world: World) {
    let party = world.party("one");
    let mut held = Vec::new();
    for number in 0..105 {
        let scope = LeaseScope::new(&format!("job {number}")).unwrap();
        held.push(party.leases.try_acquire(&scope, ttl()).await.unwrap());
    }
    let shared = [party.shares().await, party.shares().await];
    let (mut seen, mut pages, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let page = party.leases.list(after).await.unwrap();
        assert!(page.leases.len() <= 100);
        pages += 1;
        for status in page.leases {
            let expected = if status.scope == scope() { 2 } else { 1 };
            assert_eq!(status.holders.len(), expected, "{status:?}");
            assert!(seen.insert(status.scope));
        }
        after = match page.next {
            Some(next) => Some(next),
            None => break,
        };
    }
    assert_eq!(seen.len(), 106);
    assert!(pages >= 2);
    for lease in held.into_iter().chain(shared) {
        lease.release().await.unwrap();
    }
    assert_eq!(party.leases.list(None).await.unwrap().leases, []);
}

async fn a_lease_is_released_by_force(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let first = Version::FIRST;
    let error = refused(one.leases.force_release(&scope(), first).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    for mode in [LeaseMode::Exclusive, LeaseMode::Shared] {
        let lease = one.try_in(mode).await.unwrap();
        let later = lease.token().next().unwrap();
        let error = refused(other.leases.force_release(&scope(), later).await);
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        lease.check().await.unwrap();
        other.leases.force_release(&scope(), lease.token()).await.unwrap();
        assert_lost(&lease, lease.commit(vec![put("a", 1)]).await);
        assert_lost(&lease, lease.renew().await);
        let next = other.alone().await;
        assert_eq!(refused(lease.release().await).kind(), ErrorKind::Conflict);
        next.check().await.unwrap();
        next.release().await.unwrap();
    }
    // Nothing is left beside the leases.
    let state = CollectionName::new(LEASE_STATE).unwrap();
    let left = world.store.query(&state, &repo_core::Query::all().strong()).await.unwrap();
    assert_eq!(left.entities, []);
}

/// What another program wrote there is no lease, and nobody acts as if it were.
async fn a_damaged_lease_is_named_and_can_be_released(world: World) {
    let party = world.party("one");
    let id = EntityId::new(scope().as_str()).unwrap();
    let key = Key::new(CollectionName::new(LEASES).unwrap(), id);
    let document = Document::parse(r#"{"id":"job","held":"by me"}"#).unwrap();
    let written = world.store.save(key, document).await.unwrap();
    let error = refused(party.try_in(LeaseMode::Exclusive).await);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    let error = refused(party.leases.status(&scope()).await);
    assert_eq!(error.context_value("key"), Some("engine_leases/job"));
    let version = written.version.to_string();
    assert_eq!(error.context_value("version"), Some(version.as_str()));
    assert_eq!(refused(party.leases.list(None).await).kind(), ErrorKind::Corrupt);
    party.leases.force_release(&scope(), written.version).await.unwrap();
    let lease = party.alone().await;
    assert!(lease.token() > written.version);
    lease.release().await.unwrap();
}

/// A store in which the collections were not made says what to do.
async fn an_unprepared_store_is_refused(world: World) {
    let site = crate::common::Site::memory();
    let bare = crate::common::open(&site.url, site.access_key()).await;
    let leases = Leases::new(bare);
    let error = refused(leases.try_acquire(&scope(), ttl()).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.hint_text().is_some());
    leases.prepare().await.unwrap();
    leases.try_acquire(&scope(), ttl()).await.unwrap().release().await.unwrap();
    // Making them again changes nothing.
    let lease = world.party("one").alone().await;
    world.party("one").leases.prepare().await.unwrap();
    lease.check().await.unwrap();
    lease.release().await.unwrap();
}
