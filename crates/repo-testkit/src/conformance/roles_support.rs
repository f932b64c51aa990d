//! Short words for the behaviours of a store's role.

use repo_core::Result;
use repo_core::strategy::{
    LiveId, RoleChange, RoleState, Route, StoreId, StoreRecord, StoreRole, StoreUpdate,
};

use crate::{Fixture, Store};

/// Whether the store can be fenced.
pub(super) async fn offered(f: &Fixture) -> bool {
    let store = f.prepared().await;
    let offered = store.capabilities().fence;
    store.close().await.unwrap();
    offered
}

/// The live migration of these behaviours.
pub(super) fn live_id() -> LiveId {
    LiveId::from_bytes([7; LiveId::BYTES])
}

/// Where the store of these behaviours moves to.
pub(super) fn route() -> Route {
    Route::new("sqlite:/srv/successor.db", StoreId::from_bytes([9; StoreId::BYTES]), live_id())
}

/// The role that is stored now.
pub(super) async fn role(store: &Store) -> RoleState {
    store.store_record().await.unwrap().role
}

/// Takes a step from what is stored now.
pub(super) async fn step(
    store: &Store,
    change: impl FnOnce(&mut RoleState),
) -> Result<StoreRecord> {
    let expected = role(store).await;
    let mut next = expected.clone();
    change(&mut next);
    let change = RoleChange::new(expected, next);
    store.update_store_record(StoreUpdate::Role(Box::new(change))).await
}

/// The store takes part in the live migration, and stays the authority.
pub(super) async fn begin(store: &Store) {
    step(store, |next| next.live = Some(live_id())).await.unwrap();
}

/// The store is fenced by the live migration that it takes part in.
pub(super) async fn fence(store: &Store) {
    step(store, fenced).await.unwrap();
}

/// The fence is lifted.
pub(super) async fn cancel(store: &Store) {
    step(store, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.max_pause_ms = None;
    })
    .await
    .unwrap();
}

/// The fenced store has moved.
pub(super) async fn retire(store: &Store) {
    step(store, |next| {
        next.role = StoreRole::Retired;
        next.epoch += 1;
        next.route = Some(route());
        next.max_pause_ms = None;
    })
    .await
    .unwrap();
}

/// The store is the copy of another one.
pub(super) async fn replicate(store: &Store) {
    step(store, |next| {
        next.role = StoreRole::Replica;
        next.live = Some(live_id());
    })
    .await
    .unwrap();
}

/// The copy is given up, and is a store of its own again.
pub(super) async fn give_up(store: &Store) {
    step(store, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.live = None;
    })
    .await
    .unwrap();
}

pub(super) fn fenced(next: &mut RoleState) {
    next.role = StoreRole::Fenced;
    next.attempt += 1;
    next.max_pause_ms = Some(5_000);
}

/// A handle that works for the live migration.
pub(super) async fn worker(f: &Fixture) -> Store {
    f.open_with(f.options().with_works_for(Some(live_id()))).await.unwrap()
}
