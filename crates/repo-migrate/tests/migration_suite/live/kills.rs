//! Every process of a live migration may be killed after each of its durable steps. The same
//! command resumes it; so do giving up, and a program that follows the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use repo_core::Result;
use repo_core::strategy::{LiveId, StorageStrategy, StorageStrategyExt as _, StoreRole};
use repo_layers::{Inner, Layer, Operation, OperationClass, OperationKind};
use repo_migrate::live::{self, LiveOptions, LivePhase, LivePlace, LiveStores, SwitchOptions};

use super::cleaned::finish_and_clean_up;
use super::support::{Move, Place, Stop, Store, all, document, key};

/// More than any process takes.
const MOST_STEPS: usize = 60;

/// A process that is killed after it has done so many durable steps.
#[derive(Debug, Clone)]
struct Mortal {
    left: Arc<AtomicUsize>,
    died: Arc<tokio::sync::Notify>,
}

impl Mortal {
    fn after(steps: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(steps)), died: Arc::default() }
    }

    /// What the process did; `None` if it was killed.
    async fn lives<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.died.notified() => None,
        }
    }
}

impl Layer for Mortal {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let kind = operation.kind();
        let done = operation.run(&**inner).await;
        let durable = kind.class() == OperationClass::Write || kind == OperationKind::Prepare;
        if durable && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        done
    }
}

#[derive(Debug)]
struct MortalPlace {
    place: Place,
    process: Mortal,
}

#[async_trait]
impl LivePlace for MortalPlace {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Store> {
        let store = LivePlace::open(&self.place, works_for).await?;
        Ok(self.process.clone().around(store))
    }
}

/// What a process does that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Switch,
    Back,
    Abort,
    Finish,
    FinishAndCleanUp,
}

impl Verb {
    async fn run(self, stores: LiveStores<'_>) -> Result<()> {
        let options = SwitchOptions::default().with_max_pause(Duration::from_millis(2_500));
        match self {
            Self::Start => {
                let (stop, _sender) = Stop::new();
                let mut options = LiveOptions::default();
                options.poll = Duration::from_millis(5);
                live::start(stores, &repo_core::Schemas::default(), &options, &stop).await
            }
            Self::Switch => live::switch(stores, options).await.map(drop),
            Self::Back => live::back(stores, options).await.map(drop),
            Self::Abort => live::abort(stores).await.map(drop),
            Self::Finish => live::finish(stores).await,
            Self::FinishAndCleanUp => {
                let folder = tempfile::tempdir().unwrap();
                finish_and_clean_up(stores, folder.path()).await.map(drop)
            }
        }
    }
}

/// A move that is about to do something.
async fn about_to(verb: Verb) -> Move {
    let moving = Move::new("memory", "memory").await;
    if verb == Verb::Start {
        return moving;
    }
    let (mover, stop) = moving.begin();
    moving.until(LivePhase::Ready).await;
    if matches!(verb, Verb::Back | Verb::Finish | Verb::FinishAndCleanUp) {
        moving.switch().await.unwrap();
    }
    drop(stop);
    mover.await.unwrap().unwrap();
    // Something is still to be carried over.
    let store = moving.routed().await;
    store.save(key("late"), document("late", 7)).await.unwrap();
    moving
}

/// Runs it, and kills it after so many steps; whether it was.
async fn killed(moving: &Move, verb: Verb, steps: usize) -> bool {
    let process = Mortal::after(steps);
    let place = |place: &Place| MortalPlace { place: place.clone(), process: process.clone() };
    let (source, target) = (place(&moving.source), place(&moving.target));
    let stores = LiveStores { source: &source, target: &target };
    let work = async {
        let run = verb.run(stores);
        let ready: BoxFuture<'_, ()> = match verb {
            // It does not end by itself.
            Verb::Start => Box::pin(moving.until(LivePhase::Ready)),
            _ => Box::pin(std::future::pending()),
        };
        tokio::select! {
            done = run => done.unwrap(),
            () = ready => {}
        }
    };
    process.lives(work).await.is_none()
}

/// One store is the authority, and holds what was written; both are free of the move.
async fn check_end(moving: &Move, at_target: bool) {
    let (source, target) = (moving.source.store().await, moving.target.store().await);
    for store in [&source, &target] {
        let record = store.store_record().await.unwrap();
        assert_eq!(record.role.live, None);
        assert!(!record.capture.is_on(), "{:?}", record.capture);
    }
    let of = async |store: &dyn StorageStrategy| store.store_record().await.unwrap().role.role;
    let (authority, other) = if at_target { (target, source) } else { (source, target) };
    assert_eq!(of(authority.as_ref()).await, StoreRole::Authority);
    if at_target {
        assert_eq!(of(other.as_ref()).await, StoreRole::Retired);
    }
    let held = all(authority.as_ref()).await;
    assert!(held.len() >= 300 && held.contains_key("old-299"));
    let store = moving.routed().await;
    store.save(key("after"), document("after", 1)).await.unwrap();
    assert!(all(authority.as_ref()).await.contains_key("after"));
}

/// Kills a process after each of its steps, and lets `resume` go on from there.
async fn every_step(verb: Verb, resume: impl AsyncFn(&Move)) {
    let one = async |steps| {
        let moving = about_to(verb).await;
        let was_killed = killed(&moving, verb, steps).await;
        resume(&moving).await;
        was_killed
    };
    let killed = join_all((1..=MOST_STEPS).map(one)).await;
    let killed = killed.into_iter().filter(|killed| *killed).count();
    assert!((3..MOST_STEPS).contains(&killed), "{killed}");
}

/// Copies and compares what is left, and stops.
async fn resume_start(moving: &Move, phase: LivePhase) {
    let (mover, stop) = moving.begin();
    moving.until(phase).await;
    drop(stop);
    mover.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_killed_beginning_is_resumed() {
    every_step(Verb::Start, async |moving| {
        resume_start(moving, LivePhase::Ready).await;
        moving.switch().await.unwrap();
        live::finish(moving.stores()).await.unwrap();
        check_end(moving, true).await;
    })
    .await;
}

#[tokio::test]
async fn a_killed_beginning_is_given_up() {
    every_step(Verb::Start, async |moving| {
        live::abort(moving.stores()).await.unwrap();
        check_end(moving, false).await;
    })
    .await;
}

#[tokio::test]
async fn a_killed_switch_is_resumed() {
    every_step(Verb::Switch, async |moving| {
        moving.switch().await.unwrap();
        check_late(moving).await;
        live::finish(moving.stores()).await.unwrap();
        check_end(moving, true).await;
    })
    .await;
}

/// What was written before the switch is where the programs are now.
async fn check_late(moving: &Move) {
    let store = moving.routed().await;
    assert!(all(store.as_ref()).await.contains_key("late"));
}

#[tokio::test]
async fn a_killed_switch_is_given_up_or_decided() {
    every_step(Verb::Switch, async |moving| {
        let role = moving.source.store().await.store_record().await.unwrap().role.role;
        let decided = role == StoreRole::Retired;
        let aborted = live::abort(moving.stores()).await;
        assert_eq!(aborted.is_err(), decided, "{aborted:?} {role:?}");
        check_late(moving).await;
        if decided {
            moving.switch().await.unwrap();
            live::finish(moving.stores()).await.unwrap();
        }
        check_end(moving, decided).await;
    })
    .await;
}

/// A program that meets the fence waits for its end, lifts it when nobody ends it, and
/// promotes what was decided.
#[tokio::test]
async fn a_program_ends_a_killed_switch() {
    every_step(Verb::Switch, async |moving| {
        let store = moving.routed().await;
        store.save(key("through"), document("through", 1)).await.unwrap();
        check_late(moving).await;
        resume_start(moving, phase_of(moving).await).await;
        moving.switch().await.unwrap();
        live::finish(moving.stores()).await.unwrap();
        check_end(moving, true).await;
    })
    .await;
}

async fn phase_of(moving: &Move) -> LivePhase {
    live::status(moving.stores()).await.unwrap().phase
}

#[tokio::test]
async fn a_killed_way_back_is_resumed() {
    every_step(Verb::Back, async |moving| {
        live::back(moving.stores(), SwitchOptions::default()).await.unwrap();
        check_late(moving).await;
        live::abort(moving.stores()).await.unwrap();
        check_end(moving, false).await;
    })
    .await;
}

#[tokio::test]
async fn a_killed_end_is_repeated() {
    for (verb, at_target) in [(Verb::Finish, true), (Verb::Abort, false)] {
        every_step(verb, async |moving| {
            // Once it is done, there is nothing left to finish.
            let _ = verb.run(moving.stores()).await;
            check_end(moving, at_target).await;
        })
        .await;
    }
}

/// The source is empty in the end, whenever the clean-up was killed, and nobody else may finish
/// it in half.
#[tokio::test]
async fn a_killed_clean_up_is_repeated() {
    every_step(Verb::FinishAndCleanUp, async |moving| {
        let source = moving.source.store().await;
        if source.store_record().await.unwrap().job.is_some() {
            let error = live::finish(moving.stores()).await.unwrap_err();
            assert_eq!(error.kind(), repo_core::ErrorKind::Locked);
        }
        // Once it is done, there is nothing left to finish.
        let _ = Verb::FinishAndCleanUp.run(moving.stores()).await;
        check_end(moving, true).await;
        assert!(all(source.as_ref()).await.is_empty());
        assert_eq!(source.store_record().await.unwrap().job, None);
    })
    .await;
}
