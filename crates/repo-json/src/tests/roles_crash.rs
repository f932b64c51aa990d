//! The role of a store over a checkpoint whose process ends at any step, between the link of the
//! kept journal and its renaming too, and over edits by other tools: a store that was fenced stays
//! fenced, and the feed that a live migration follows has everything.

use repo_core::strategy::{
    LiveId, RoleChange, RoleState, Route, StorageStrategy as _, StoreId, StoreRole, StoreUpdate,
};
use repo_core::{ErrorKind, Precondition, Write};
use serde_json::json;

use super::feed::{changes, hold};
use super::feed_crash::STEPS;
use super::{document, failing_at, key, layouts, save};
use crate::hooks::Hooks;
use crate::strategy::JsonStrategy;

fn live() -> LiveId {
    LiveId::from_bytes([5; LiveId::BYTES])
}

async fn role(store: &JsonStrategy) -> RoleState {
    store.store_record().await.unwrap().role
}

async fn step(store: &JsonStrategy, change: impl FnOnce(&mut RoleState)) {
    let before = role(store).await;
    let mut next = before.clone();
    change(&mut next);
    let change = Box::new(RoleChange::new(before, next));
    store.update_store_record(StoreUpdate::Role(change)).await.unwrap();
}

fn fence(next: &mut RoleState) {
    next.role = StoreRole::Fenced;
    next.attempt += 1;
    next.max_pause_ms = Some(5_000);
}

fn retire(next: &mut RoleState) {
    next.role = StoreRole::Retired;
    next.epoch += 1;
    next.max_pause_ms = None;
    let successor = StoreId::from_bytes([9; StoreId::BYTES]);
    next.route = Some(Route::new("sqlite:/srv/new.db", successor, live()));
}

/// Refuses every write, and keeps what it has.
async fn assert_closed(store: &JsonStrategy, at: &str) {
    let write = Write::put(key("machines", "a"), document("a", 9), Precondition::Any);
    let refused = store.commit(vec![write]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "{at}: {refused}");
}

#[tokio::test]
async fn a_role_outlives_every_step_of_a_checkpoint() {
    for at in STEPS {
        for fixture in layouts() {
            let store = fixture.prepared().await;
            hold(&store).await;
            let begin = store.head().await.unwrap();
            step(&store, |next| next.live = Some(live())).await;
            save(&store, "machines", "a", 1).await;
            drop(store);
            let written = [("a".to_owned(), 1)];
            // Fenced, then retired; each time the process ends in the checkpoint after it.
            for change in [fence, retire] {
                let store = fixture.try_open(&fixture.path(), false, failing_at(at)).unwrap();
                step(&store, change).await;
                let expected = role(&store).await;
                store.checkpoint().await.unwrap_err();
                drop(store);
                let store = fixture.open();
                assert_eq!(role(&store).await, expected, "{at:?}");
                assert_closed(&store, &format!("{at:?}")).await;
                assert_eq!(changes(&store, &begin, 10).await, written, "{at:?}");
                store.close().await.unwrap();
            }
        }
    }
}

/// What another tool writes into the files of a store that has retired is a change past the fence:
/// it is in the feed, where the live migration finds it, and opens the store for nobody.
#[tokio::test]
async fn an_edit_of_a_retired_store_is_in_its_feed() {
    for at in STEPS.into_iter().map(Some).chain([None]) {
        for fixture in layouts() {
            let store = fixture.prepared().await;
            hold(&store).await;
            let begin = store.head().await.unwrap();
            step(&store, |next| next.live = Some(live())).await;
            save(&store, "machines", "a", 1).await;
            step(&store, fence).await;
            step(&store, retire).await;
            store.close().await.unwrap();
            let file = ["request_database.json", "machines.json"]
                .into_iter()
                .find(|name| fixture.file(name).exists())
                .unwrap();
            let mut whole = fixture.json(file);
            let machines =
                if file == "machines.json" { &mut whole } else { &mut whole["machines"] };
            machines["a"]["n"] = json!(7);
            fixture.write(file, &whole.to_string());
            if let Some(at) = at {
                // Whether it fails at this step or has none of it to take.
                let hooks: Hooks = failing_at(at);
                drop(fixture.try_open(&fixture.path(), false, hooks));
            }
            let store = fixture.open();
            let written = [("a".to_owned(), 1), ("a".to_owned(), 2)];
            assert_eq!(changes(&store, &begin, 10).await, written, "{at:?}");
            assert_eq!(role(&store).await.role, StoreRole::Retired, "{at:?}");
            assert_closed(&store, &format!("{at:?}")).await;
        }
    }
}
