//! Requests that are under way while the store is fenced off.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use repo_core::strategy::{LiveId, RoleChange, RoleState, StoreRole};

use super::*;

async fn step(store: &DynamoStrategy, change: impl FnOnce(&mut RoleState)) {
    let expected = store.store_record().await.unwrap().role;
    let mut next = expected.clone();
    change(&mut next);
    let change = Box::new(RoleChange::new(expected, next));
    store.update_store_record(StoreUpdate::Role(change)).await.unwrap();
}

async fn fence(store: &DynamoStrategy) {
    step(store, |next| {
        next.role = StoreRole::Fenced;
        next.attempt += 1;
        next.max_pause_ms = Some(5_000);
    })
    .await;
}

async fn cancel(store: &DynamoStrategy) {
    step(store, |next| {
        next.role = StoreRole::Authority;
        next.attempt += 1;
        next.max_pause_ms = None;
    })
    .await;
}

/// A store that takes part in a live migration, behind a proxy that holds writes back for
/// three seconds while it is told to, and a handle that goes past it.
struct Moving {
    _proxy: Proxy,
    store: DynamoStrategy,
    other: DynamoStrategy,
    holds: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
}

impl Moving {
    async fn new() -> Self {
        let (holds, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (does, count) = (Arc::clone(&holds), Arc::clone(&held));
        let (_proxy, store) = filled(move |operation, _, _| match operation {
            "UpdateItem" | "TransactWriteItems" if does.load(Ordering::Acquire) => {
                count.fetch_add(1, Ordering::AcqRel);
                Fate::Delay(Duration::from_secs(3))
            }
            _ => Fate::Forward,
        })
        .await;
        let other = direct(&store).await;
        step(&other, |next| next.live = Some(LiveId::from_bytes([7; 16]))).await;
        Self { _proxy, store, other, holds, held }
    }

    /// Waits until a write is held back.
    async fn until_held(&self) {
        while self.held.load(Ordering::Acquire) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The step to the fence answers while the write is still under way; whoever wrote does not
/// learn that it was done, since nobody carries it over.
#[tokio::test]
async fn a_write_that_is_delayed_past_the_fence_is_of_unknown_outcome() {
    for several in [false, true] {
        let moving = Moving::new().await;
        let Moving { store, other, holds, .. } = &moving;
        holds.store(true, Ordering::Release);
        let fenced = async {
            moving.until_held().await;
            fence(other).await;
            Instant::now()
        };
        let written = async {
            let mut writes = vec![put("items", "there", Precondition::Any)];
            writes.extend(several.then(|| put("notes", "there", Precondition::Any)));
            (store.commit(writes).await.unwrap_err(), Instant::now())
        };
        let (fenced, (error, written)) = tokio::join!(fenced, written);
        assert!(fenced < written, "the write was too fast for this test");
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        assert!(error.to_string().contains("moved meanwhile"), "{error}");
        // From the fence on it is refused at once.
        let refused = store.save(key("items", "there"), document("there")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    }
}

/// A fence that was lifted before the write came is none.
#[tokio::test]
async fn a_write_that_a_lifted_fence_delayed_is_acknowledged() {
    let moving = Moving::new().await;
    let Moving { store, other, holds, .. } = &moving;
    holds.store(true, Ordering::Release);
    let there = key("items", "there");
    let fenced = async {
        moving.until_held().await;
        fence(other).await;
        cancel(other).await;
    };
    let written = async { store.save(there.clone(), document("there")).await.unwrap() };
    let ((), written) = tokio::join!(fenced, written);
    assert_eq!(written.version, version(2));
}

/// While the store takes part in a live migration a handle trusts what it knows of it for a
/// short time only, so the fence is quick.
#[tokio::test]
async fn a_fence_is_known_to_every_handle_when_it_answers() {
    let Moving { store, other, _proxy, .. } = Moving::new().await;
    store.save(key("items", "there"), document("there")).await.unwrap();
    fence(&other).await;
    let refused = store.save(key("items", "there"), document("there")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
}
