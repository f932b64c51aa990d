//! What every store keeps about itself.

use repo_core::strategy::{JobKind, StoreId, StoreUpdate, UnfinishedJob};
use repo_core::{CollectionSchema, ErrorKind, Result, Version};

use super::support::{assert_kind, collection, delete, job, job_id, key, save, set_job};
use crate::{Fixture, Store};

fn state(fingerprint: &str, progress: &str) -> UnfinishedJob {
    job(JobKind::Migration, fingerprint, progress)
}

async fn migrate(
    store: &Store,
    expected: Option<&str>,
    next: Option<UnfinishedJob>,
) -> Result<Option<UnfinishedJob>> {
    set_job(store, expected.map(|text| job_id(JobKind::Migration, text)), next).await
}

async fn raise(store: &Store, name: &str, floor: u64) -> u64 {
    let name = collection(name);
    let update = StoreUpdate::RaiseFloor { collection: name.clone(), floor };
    store.update_store_record(update).await.unwrap().collections[&name].floor
}

/// A fresh store: a layout version, no role but its own, each prepared collection with
/// its schema's version and floor 0, no migration.
pub async fn a_fresh_store_has_its_record(f: Fixture) {
    let store = f.prepared().await;
    let record = store.store_record().await.unwrap();
    assert!(record.layout_version >= 1);
    assert!(record.role.is_unused());
    assert_eq!(record.job, None);
    let kept: Vec<(String, u32, u64)> = record
        .collections
        .iter()
        .map(|(name, state)| (name.to_string(), state.schema_version, state.floor))
        .collect();
    let expected = [("items", 1, 0), ("notes", 1, 0), ("things", 3, 0)];
    assert_eq!(kept, expected.map(|(name, version, floor)| (name.to_owned(), version, floor)));
    assert_eq!(f.reopen(store).await.store_record().await.unwrap(), record);
}

/// `prepare` gives the store an id. It stays, whatever is prepared or upgraded
/// later, and every handle sees it.
pub async fn a_prepared_store_has_an_id(f: Fixture) {
    let store = f.open().await;
    assert_eq!(store.store_record().await.unwrap().id, None);
    assert_kind(store.upgrade_layout().await, ErrorKind::NotFound);
    let some = CollectionSchema::undeclared(collection("items"));
    store.prepare(&[some]).await.unwrap();
    let record = store.store_record().await.unwrap();
    assert!(record.layout_version >= 2);
    let id = record.id.unwrap();
    assert_eq!(f.second(&store).await.store_record().await.unwrap().id, Some(id));
    assert_eq!(store.upgrade_layout().await.unwrap(), None);
    let all: Vec<CollectionSchema> = f.schemas.iter().cloned().collect();
    store.prepare(&all).await.unwrap();
    save(&store, &key("items", "a"), "").await;
    let store = f.reopen(store).await;
    assert_eq!(store.store_record().await.unwrap().id, Some(id));
    assert_eq!(store.upgrade_layout().await.unwrap(), None);
    assert_eq!(store.store_record().await.unwrap().id, Some(id));
}

async fn give_id(store: &Store, expected: StoreId, id: StoreId) -> Result<Option<StoreId>> {
    Ok(store.update_store_record(StoreUpdate::Id { expected, id }).await?.id)
}

/// A store gets another id from who names the one that it has, while nothing
/// in it is unfinished; anybody else is `Locked`.
pub async fn the_id_is_compared_and_set(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let first = store.store_record().await.unwrap().id.unwrap();
    let [second, third] = [(); 2].map(|()| StoreId::random().unwrap());
    assert_kind(give_id(&store, second, third).await, ErrorKind::Locked);
    assert_eq!(give_id(&store, first, second).await.unwrap(), Some(second));
    assert_kind(give_id(&other, first, third).await, ErrorKind::Locked);
    assert_eq!(other.store_record().await.unwrap().id, Some(second));
    migrate(&other, None, Some(state("plan", ""))).await.unwrap();
    assert_kind(give_id(&store, second, third).await, ErrorKind::Locked);
    migrate(&other, Some("plan"), None).await.unwrap();
    assert_eq!(give_id(&other, second, third).await.unwrap(), Some(third));
    // One that is only dropped may still hold the files for a moment.
    other.close().await.unwrap();
    drop(other);
    let store = f.reopen(store).await;
    assert_eq!(store.store_record().await.unwrap().id, Some(third));
    store.checkpoint().await.unwrap();
    let store = f.reopen(store).await;
    assert_eq!(store.store_record().await.unwrap().id, Some(third));
}

/// Of many that give the store another id at the same time, one does.
pub async fn one_of_many_gives_the_id(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let first = store.store_record().await.unwrap().id.unwrap();
    let give = (0..8).map(|at| {
        let handle = if at % 2 == 0 { &store } else { &other };
        async move { give_id(handle, first, StoreId::random().unwrap()).await }
    });
    let answers = futures::future::join_all(give).await;
    let given: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(given.len(), 1, "{answers:?}");
    assert_eq!(&store.store_record().await.unwrap().id, given[0]);
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(error.kind(), ErrorKind::Locked);
    }
}

/// Floors rise and never fall, each collection's for itself; ids with a
/// record are not touched by them.
pub async fn floors_rise_and_never_fall(f: Fixture) {
    let store = f.prepared().await;
    let (live, gone) = (key("items", "live"), key("items", "gone"));
    save(&store, &live, "").await;
    save(&store, &gone, "").await;
    delete(&store, &gone).await;
    assert_eq!(raise(&store, "items", 10).await, 10);
    assert_eq!(raise(&store, "items", 4).await, 10);
    assert_eq!(raise(&store, "items", 10).await, 10);
    assert_eq!(raise(&store, "items", 0).await, 10);
    assert_eq!(raise(&store, "things", 2).await, 2);
    let store = f.reopen(store).await;
    let record = store.store_record().await.unwrap();
    let floors: Vec<u64> = record.collections.values().map(|state| state.floor).collect();
    assert_eq!(floors, [10, 0, 2]);
    assert_eq!(save(&store, &key("items", "new"), "").await, 11);
    assert_eq!(save(&store, &live, "").await, 2);
    assert_eq!(save(&store, &gone, "").await, 3);
    assert_eq!(save(&store, &key("notes", "new"), "").await, 1);
    assert_eq!(save(&store, &key("things", "new"), "").await, 3);
}

/// A floor as high as versions go leaves no version for new ids.
pub async fn a_floor_may_be_as_high_as_versions_go(f: Fixture) {
    let store = f.prepared().await;
    assert_eq!(raise(&store, "items", Version::MAX).await, Version::MAX);
    let key = key("items", "a");
    let write = super::support::put(&key, "");
    assert_kind(store.commit(vec![write]).await, ErrorKind::LimitExceeded);
    assert_eq!(super::support::record(&store, &key).await, None);
}

/// The unfinished job is set, replaced and cleared only by a caller that names
/// the one that is stored; any other is `Locked`.
pub async fn the_unfinished_job_is_compared_and_set(f: Fixture) {
    let store = f.prepared().await;
    let one = state("plan1", "{\"done\":0}");
    assert_kind(migrate(&store, Some("plan1"), Some(one.clone())).await, ErrorKind::Locked);
    assert_eq!(migrate(&store, None, None).await.unwrap(), None);
    assert_eq!(migrate(&store, None, Some(one.clone())).await.unwrap(), Some(one.clone()));
    for expected in [None, Some("plan2")] {
        assert_kind(migrate(&store, expected, Some(state("plan3", ""))).await, ErrorKind::Locked);
        assert_kind(migrate(&store, expected, None).await, ErrorKind::Locked);
    }
    assert_eq!(store.store_record().await.unwrap().job, Some(one));
    let unicode = "é😀\"\\\n".repeat(5_000);
    let next = state("plan1", &unicode);
    assert_eq!(
        migrate(&store, Some("plan1"), Some(next.clone())).await.unwrap(),
        Some(next.clone())
    );
    let store = f.reopen(store).await;
    assert_eq!(store.store_record().await.unwrap().job, Some(next));
    let other = state("plan2", "");
    assert_eq!(migrate(&store, Some("plan1"), Some(other.clone())).await.unwrap(), Some(other));
    assert_eq!(migrate(&store, Some("plan2"), None).await.unwrap(), None);
    let store = f.reopen(store).await;
    assert_eq!(store.store_record().await.unwrap().job, None);
}

/// A job of each kind is kept as it was given, with the run that holds it, also
/// where the store is opened anew or brought into its resting form. Only a mark is
/// overwritten by a caller that expects no job, and lets the store get an id.
pub async fn each_kind_of_job_is_kept_as_it_is(f: Fixture) {
    let mut store = f.prepared().await;
    for (kind, progress) in [
        (JobKind::Migration, r#"{"format":1,"collections":["in_place"]}"#),
        (JobKind::Upgrade, r#"{"format":2,"in_place":{"from":1}}"#),
        (JobKind::CleanUp, r#"{"format":1}"#),
        (JobKind::Mark, r#"{"looked_for_through":"elsewhere"}"#),
    ] {
        let id = job_id(kind, "0123abc").held_by("a-run:of its own");
        let job = UnfinishedJob::new(id.clone(), progress).unwrap();
        set_job(&store, None, Some(job.clone())).await.unwrap();
        store.checkpoint().await.unwrap();
        assert_eq!(store.unfinished_job_afresh().await.unwrap().as_ref(), Some(&job));
        store = f.reopen(store).await;
        assert_eq!(store.store_record().await.unwrap().job, Some(job.clone()), "{kind:?}");
        let other = id.clone().held_by("another");
        assert_kind(set_job(&store, Some(other), Some(job.clone())).await, ErrorKind::Locked);
        let (first, second) =
            (store.store_record().await.unwrap().id.unwrap(), StoreId::random().unwrap());
        if kind == JobKind::Mark {
            assert_eq!(give_id(&store, first, second).await.unwrap(), Some(second));
            set_job(&store, None, Some(job)).await.unwrap();
        } else {
            assert_kind(give_id(&store, first, second).await, ErrorKind::Locked);
            assert_kind(set_job(&store, None, Some(job)).await, ErrorKind::Locked);
        }
        assert_eq!(set_job(&store, Some(id), None).await.unwrap(), None);
    }
}

/// Of many that begin a migration at the same time, one does.
pub async fn one_of_many_begins_a_migration(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let begin = (0..8).map(|at| {
        let handle = if at % 2 == 0 { &store } else { &other };
        async move { migrate(handle, None, Some(state(&format!("plan{at}"), ""))).await }
    });
    let answers = futures::future::join_all(begin).await;
    let begun: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(begun.len(), 1, "{answers:?}");
    assert_eq!(&store.store_record().await.unwrap().job, begun[0]);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Locked);
    }
}

/// A migration leaves writes and reads alone.
pub async fn a_migration_stops_no_writes(f: Fixture) {
    let store = f.prepared().await;
    migrate(&store, None, Some(state("p", ""))).await.unwrap();
    let key = key("items", "a");
    assert_eq!(save(&store, &key, "").await, 1);
    assert_eq!(delete(&store, &key).await, 2);
    assert_eq!(raise(&store, "items", 5).await, 5);
}
