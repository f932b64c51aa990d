//! Which store of a live migration takes writes, and from whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use repo_core::strategy::{
    CaptureHolder, HistoryState, JobKind, LiveId, RoleChange, RoleState, StoreRole, StoreUpdate,
    SystemCollection, SystemWrite, VersionWrite,
};
use repo_core::{Clock as _, CollectionSchema, ErrorKind, Precondition, Result, Write, Written};

use super::history_support::{change_history, keep};
use super::roles_support::{
    begin, cancel, fence, fenced, give_up, live_id, offered, replicate, retire, role, route, step,
    worker,
};
use super::support::{
    assert_kind, collection, count, delete, everything, filter, job, key, live, put, put_if, save,
    set_job, tombstone, version,
};
use crate::{Fixture, Store};

/// A store is an authority that takes part in nothing, until a role is asked for. Each
/// step is durable, and every handle sees it.
pub async fn a_role_is_kept(f: Fixture) {
    let store = f.prepared().await;
    assert_eq!(role(&store).await, RoleState::default());
    if !store.capabilities().fence {
        let refused = step(&store, |next| next.live = Some(live_id())).await;
        assert_kind(refused, ErrorKind::Unsupported);
        return;
    }
    begin(&store).await;
    fence(&store).await;
    retire(&store).await;
    let kept = role(&store).await;
    assert_eq!((kept.role, kept.epoch, kept.attempt), (StoreRole::Retired, 1, 1));
    assert_eq!((kept.live, &kept.route), (Some(live_id()), &Some(route())));
    assert_eq!(role(&f.second(&store).await).await, kept);
    store.checkpoint().await.unwrap();
    assert_eq!(role(&f.reopen(store).await).await, kept);
}

/// A step is taken from the state that its caller believes, and only if there is such a
/// step. Otherwise nothing changes.
pub async fn a_step_is_checked(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let believed = role(&store).await;
    begin(&store).await;
    let kept = role(&store).await;
    let mut next = believed.clone();
    next.live = Some(live_id());
    let late = RoleChange::new(believed, next);
    let late = store.update_store_record(StoreUpdate::Role(Box::new(late))).await;
    assert_kind(late, ErrorKind::Locked);
    let refused: [fn(&mut RoleState); 8] = [
        |next| next.role = StoreRole::Fenced,
        |next| next.role = StoreRole::Replica,
        |next| next.epoch += 1,
        |next| next.attempt += 1,
        |next| next.live = Some(LiveId::from_bytes([1; LiveId::BYTES])),
        |next| next.route = Some(route()),
        |next| {
            fenced(next);
            next.epoch += 1;
        },
        |next| {
            next.role = StoreRole::Retired;
            next.epoch += 1;
            next.route = Some(route());
        },
    ];
    for change in refused {
        assert_kind(step(&store, change).await, ErrorKind::Invalid);
    }
    // To the same state, which waits again for what the step waited for.
    step(&store, |_| {}).await.unwrap();
    assert_eq!(role(&store).await, kept);
}

/// A store in a live migration begins no job, and one with an unfinished job begins no
/// live migration.
pub async fn jobs_and_live_migrations_exclude_each_other(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let copying = job(JobKind::Migration, FINGERPRINT, "");
    let id = copying.id().clone();
    set_job(&store, None, Some(copying.clone())).await.unwrap();
    assert_kind(step(&store, |next| next.live = Some(live_id())).await, ErrorKind::Locked);
    set_job(&store, Some(id), None).await.unwrap();
    begin(&store).await;
    assert_kind(set_job(&store, None, Some(copying)).await, ErrorKind::Locked);
    assert_eq!(store.store_record().await.unwrap().job, None);
}

const FINGERPRINT: &str = "5f2c1f0d9b3a47e68d1c0b9a8f7e6d5c4b3a29181706f5e4d3c2b1a09f8e7d6c";

/// A fenced store takes no write of any handle, is read as before, and takes writes again
/// when the fence is lifted.
pub async fn a_fenced_store_takes_no_writes(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let there = key("items", "there");
    save(&other, &there, "\"n\":1").await;
    save(&other, &key("notes", "gone"), "").await;
    delete(&other, &key("notes", "gone")).await;
    keep(&f, &store, "items").await;
    save(&other, &there, "\"n\":2").await;
    begin(&store).await;
    assert_eq!(save(&other, &there, "\"n\":3").await, 3);
    let before = everything(&store).await;
    fence(&store).await;
    for handle in [&store, &other] {
        assert_refused(&f, handle, "being moved").await;
        assert_eq!(everything(handle).await, before);
        assert_eq!(count(handle, "items", &filter("{}")).await, 1);
    }
    cancel(&store).await;
    assert_eq!(save(&other, &there, "\"n\":4").await, 4);
    assert_eq!(save(&store, &there, "\"n\":5").await, 5);
}

/// Every way to write is `Locked`, in words that hold `why`, and nothing changes.
async fn assert_refused(f: &Fixture, store: &Store, why: &str) {
    let there = key("items", "there");
    let (gone, absent) = (key("notes", "gone"), key("notes", "absent"));
    let deletes = |keys: &[&repo_core::Key]| {
        keys.iter().map(|key| Write::delete((*key).clone(), Precondition::Any)).collect::<Vec<_>>()
    };
    let items = collection("items");
    let before = everything(store).await;
    let tag = SystemWrite::new(SystemCollection::Tags, "a", None, Some("{}".to_owned()));
    let kept = store.store_record().await.unwrap().history.get(&items).copied();
    let later = kept.map(|_| HistoryState::new(f.clock.now()));
    let floor = StoreUpdate::RaiseFloor { collection: items.clone(), floor: 90 };
    let fresh = CollectionSchema::undeclared(collection("fresh"));
    let mut refused = vec![
        store.commit(vec![put(&there, "\"n\":9")]).await.map(drop),
        store.commit(vec![put(&key("notes", "new"), ""), put(&there, "")]).await.map(drop),
        store.commit(vec![Write::delete(there.clone(), Precondition::Any)]).await.map(drop),
        // What would write nothing answers for a store that is no authority.
        store.commit(vec![put_if(&there, "", Precondition::Absent)]).await.map(drop),
        store
            .commit(vec![put_if(&there, "", Precondition::Absent), put(&absent, "")])
            .await
            .map(drop),
        store.commit(vec![Write::delete(absent.clone(), Precondition::Any)]).await.map(drop),
        store.commit(deletes(&[&absent, &gone])).await.map(drop),
        store.commit(deletes(&[&gone])).await.map(drop),
        store.apply(vec![live(&there, 50, "", 1)]).await.map(drop),
        store.purge(&items, f.clock.now()).await.map(drop),
        store.prepare(&[fresh]).await.map(drop),
        store.update_store_record(floor).await.map(drop),
        store.write_system_items(vec![tag]).await,
    ];
    if kept.is_some() {
        let forget = VersionWrite::Remove(there.id.clone(), version(1));
        refused.push(store.write_versions(&items, vec![forget]).await.map(drop));
        refused.push(change_history(store, "items", later).await.map(drop));
    }
    for (at, answer) in refused.into_iter().enumerate() {
        let error = answer.expect_err(&format!("write {at} was taken"));
        assert_eq!(error.kind(), ErrorKind::Locked, "write {at}: {error}");
        assert!(error.to_string().contains(why), "write {at}: {error}");
    }
    assert_eq!(everything(store).await, before);
    assert!(!store.collections().await.unwrap().contains(&collection("fresh")));
    // What is there needs nothing, and what belongs to work on this store may be written.
    let same: Vec<CollectionSchema> = f.schemas.iter().cloned().collect();
    store.prepare(&same).await.unwrap();
    write_item(store, SystemCollection::Live, (None, Some("{}"))).await.unwrap();
    write_item(store, SystemCollection::Live, (Some("{}"), None)).await.unwrap();
}

async fn write_item(
    store: &Store,
    of: SystemCollection,
    (from, to): (Option<&str>, Option<&str>),
) -> Result<()> {
    store.write_system_items(vec![item(of, (from, to))]).await
}

fn item(of: SystemCollection, (from, to): (Option<&str>, Option<&str>)) -> SystemWrite {
    SystemWrite::new(of, "a", from.map(str::to_owned), to.map(str::to_owned))
}

/// Consumers belong to the authority. Only how far one is can still be noted behind a fence,
/// with what its last changes left, until the store has retired. Nothing is noted in a copy,
/// except by the live migration.
pub async fn consumers_belong_to_the_authority(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    use SystemCollection::{Consumers, DeadLetters, States};
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let holder = CaptureHolder::new("consumer", "a").unwrap();
    let hold = || StoreUpdate::HoldCapture(holder.clone());
    write_item(&store, Consumers, (None, Some("1"))).await.unwrap();
    begin(&store).await;
    let mover = worker(&f).await;
    // Nor does the live migration write over what the authority keeps.
    let over = write_item(&mover, Consumers, (Some("1"), None)).await;
    assert_kind(over, ErrorKind::Locked);
    fence(&store).await;
    let over = write_item(&mover, Consumers, (Some("1"), Some("0"))).await;
    assert_kind(over, ErrorKind::Locked);
    for handle in [&store, &other] {
        let progress = vec![
            item(Consumers, (Some("1"), Some("2"))),
            item(DeadLetters, (None, Some("1"))),
            item(States, (None, Some("1"))),
        ];
        handle.write_system_items(progress).await.unwrap();
        for refused in [
            vec![item(Consumers, (Some("2"), None))],
            vec![item(DeadLetters, (Some("1"), None))],
            vec![item(States, (Some("1"), None))],
            vec![SystemWrite::new(Consumers, "b", None, Some("1".to_owned()))],
        ] {
            assert_kind(handle.write_system_items(refused).await, ErrorKind::Locked);
        }
        assert_kind(handle.update_store_record(hold()).await.map(drop), ErrorKind::Locked);
        let back = vec![
            item(Consumers, (Some("2"), Some("1"))),
            item(DeadLetters, (Some("1"), None)),
            item(States, (Some("1"), None)),
        ];
        handle.write_system_items(back).await.unwrap();
    }
    retire(&store).await;
    for handle in [&store, &other] {
        let late = write_item(handle, Consumers, (Some("1"), Some("2"))).await;
        assert_kind(late, ErrorKind::Locked);
    }
    write_item(&mover, Consumers, (Some("1"), None)).await.unwrap();
    mover.update_store_record(hold()).await.unwrap();
    store.update_store_record(StoreUpdate::ReleaseCapture(holder)).await.unwrap();
}

/// A retired store names its successor to everybody who writes, for good.
pub async fn a_retired_store_names_its_successor(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    save(&store, &key("items", "there"), "").await;
    begin(&store).await;
    fence(&store).await;
    retire(&store).await;
    step(&store, |next| next.live = None).await.unwrap();
    let store = f.reopen(store).await;
    assert_refused(&f, &store, "has moved").await;
    let error = store.commit(vec![put(&key("items", "a"), "")]).await.unwrap_err();
    assert!(error.to_string().contains(&route().successor), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains(&route().successor)), "{error}");
}

/// Only a handle that works for the live migration writes to a copy, and only until the
/// copy is promoted or given up.
pub async fn a_copy_takes_records_of_its_migration(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let there = key("items", "there");
    save(&store, &there, "").await;
    let mover = worker(&f).await;
    // Nobody works for a migration that the store takes no part in.
    assert_kind(mover.apply(vec![live(&there, 7, "", 1)]).await, ErrorKind::Locked);
    replicate(&store).await;
    assert_refused(&f, &store, "copy of another").await;
    mover.apply(vec![live(&there, 7, "\"n\":7", 1)]).await.unwrap();
    mover.apply(vec![live(&key("notes", "new"), 3, "", 1)]).await.unwrap();
    assert_kind(mover.commit(vec![put(&there, "")]).await, ErrorKind::Locked);
    let fresh = CollectionSchema::undeclared(collection("fresh"));
    mover.prepare(std::slice::from_ref(&fresh)).await.unwrap();
    mover.apply(vec![live(&key("fresh", "a"), 1, "", 1)]).await.unwrap();
    give_up(&store).await;
    assert_kind(mover.apply(vec![live(&there, 8, "", 1)]).await, ErrorKind::Locked);
    assert_eq!(save(&store, &there, "").await, 8);
    replicate(&store).await;
    step(&store, |next| {
        next.role = StoreRole::Authority;
        next.epoch += 1;
    })
    .await
    .unwrap();
    assert_eq!(save(&store, &there, "").await, 9);
    assert_kind(store.purge(&there.collection, f.clock.now()).await, ErrorKind::Locked);
    mover.apply(vec![live(&there, 20, "", 1)]).await.unwrap();
}

/// Writers of many handles go on while the store is fenced: what was acknowledged is
/// there when the fence has answered, and nothing is written later.
pub async fn a_fence_holds_against_writers(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let other = f.second(&store).await;
    begin(&store).await;
    for round in 0..2_u8 {
        let ended = Arc::new(AtomicBool::new(false));
        let writers = (0..6).map(|n| {
            let handle = Arc::clone(if n % 2 == 0 { &store } else { &other });
            tokio::spawn(write_until(handle, format!("{round}-{n}"), Arc::clone(&ended)))
        });
        let writers: Vec<_> = writers.collect();
        wait_for_writes(&store, round).await;
        fence(&store).await;
        let at_the_fence = everything(&other).await;
        let acknowledged = join_all(writers).await;
        ended.store(true, Ordering::Relaxed);
        let after = everything(&store).await;
        let mut any_unknown = false;
        for (n, answer) in acknowledged.into_iter().enumerate() {
            let (written, outcome_unknown) = answer.unwrap();
            // Such a write may arrive later where nothing can be locked.
            any_unknown |= outcome_unknown;
            let name = key("items", &format!("{round}-{n}"));
            let stored = after.iter().find(|record| record.id() == &name.id);
            let stored = stored.map_or(0, |record| record.version().get());
            assert!(stored == written || (outcome_unknown && stored == written + 1), "{name}");
        }
        assert!(after == at_the_fence || any_unknown, "written past the fence");
        cancel(&store).await;
    }
}

async fn wait_for_writes(store: &Store, round: u8) {
    let prefix = format!("{round}-");
    loop {
        let found = everything(store).await;
        if found.iter().filter(|record| record.id().as_str().starts_with(&prefix)).count() == 6 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Writes one key until that is refused: the last acknowledged version, and whether the
/// outcome of one more is unknown.
async fn write_until(store: Store, name: String, ended: Arc<AtomicBool>) -> (u64, bool) {
    let name = key("items", &name);
    let mut acknowledged = 0;
    while !ended.load(Ordering::Relaxed) {
        // Some stores never wait for anything.
        tokio::task::yield_now().await;
        let expected = match acknowledged {
            0 => Precondition::Absent,
            n => Precondition::Version(version(n)),
        };
        match store.commit(vec![put_if(&name, "", expected)]).await {
            Ok(written) => {
                let [Written::Put { version, .. }] = written.as_slice() else {
                    panic!("{written:?}")
                };
                acknowledged = version.get();
            }
            Err(error) if error.kind() == ErrorKind::Locked => return (acknowledged, false),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => return (acknowledged, true),
            Err(error) => panic!("{error}"),
        }
    }
    (acknowledged, false)
}

/// A store that has moved may be emptied for its live migration, which marks that it does, and by
/// nobody else; a store that takes part otherwise may not.
pub async fn a_retired_store_is_emptied_for_its_migration(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    let there = key("items", "there");
    save(&store, &there, "").await;
    begin(&store).await;
    let mover = worker(&f).await;
    let clean_up = job(JobKind::CleanUp, FINGERPRINT, "");
    let id = clean_up.id().clone();
    let begun = set_job(&mover, None, Some(clean_up.clone())).await;
    assert_kind(begun, ErrorKind::Locked);
    fence(&store).await;
    assert_kind(set_job(&mover, None, Some(clean_up.clone())).await, ErrorKind::Locked);
    retire(&store).await;
    for (handle, kind) in [(&store, JobKind::CleanUp), (&mover, JobKind::Migration)] {
        let begun = set_job(handle, None, Some(job(kind, FINGERPRINT, ""))).await;
        assert_kind(begun, ErrorKind::Locked);
    }
    set_job(&mover, None, Some(clean_up)).await.unwrap();
    mover.apply(vec![tombstone(&there, 2, 1)]).await.unwrap();
    assert_kind(store.purge(&there.collection, f.clock.now()).await, ErrorKind::Locked);
    let purged = mover.purge(&there.collection, f.clock.now()).await.unwrap();
    assert_eq!((purged.removed, purged.floor), (1, 2));
    assert_eq!(everything(&store).await, []);
    set_job(&mover, Some(id), None).await.unwrap();
    step(&store, |next| next.live = None).await.unwrap();
    assert_kind(mover.purge(&there.collection, f.clock.now()).await, ErrorKind::Locked);
    assert_kind(mover.apply(vec![live(&there, 3, "", 1)]).await, ErrorKind::Locked);
}

/// A store that takes no writes is sound, and says so in a check that names its successor, to
/// a handle for reading only as well.
pub async fn health_warns_of_a_store_that_takes_no_writes(f: Fixture) {
    let store = f.prepared().await;
    assert_eq!(role_check(&store).await, None);
    if !store.capabilities().fence {
        return;
    }
    begin(&store).await;
    assert_eq!(role_check(&store).await, None);
    fence(&store).await;
    assert!(role_check(&store).await.is_some_and(|said| said.contains("fenced")));
    retire(&store).await;
    for handle in [&store, &f.open_with(f.options().with_read_only(true)).await.unwrap()] {
        let said = role_check(handle).await.unwrap();
        assert!(said.contains("retired") && said.contains(&route().successor), "{said}");
    }
}

/// A copy that only its live migration writes to says so too.
pub async fn health_warns_of_a_copy(f: Fixture) {
    if !offered(&f).await {
        return;
    }
    let store = f.prepared().await;
    replicate(&store).await;
    assert!(role_check(&store).await.is_some_and(|said| said.contains("replica")));
    give_up(&store).await;
    assert_eq!(role_check(&store).await, None);
}

/// What the check `role` says, where there is one.
async fn role_check(store: &Store) -> Option<String> {
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok(), "{health:?}");
    health.checks.into_iter().find(|check| check.name == "role").map(|check| check.detail)
}
