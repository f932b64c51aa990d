//! Runs histories on both stores, makes failures small and prints them.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use repo_core::Clock;
use repo_core::strategy::Record;

use super::answer::{Answer, ask, everything};
use super::feed::Reader;
use super::resolve::call;
use crate::generate::{Operation, history};
use crate::{Fixture, MemoryPlace, Place, Store};

/// Most steps of one history; half of them on average.
const LONGEST: usize = 80;
const DEFAULT_OPERATIONS: u64 = 2_000;
/// One seed, so that a run is the same each time: a test that fails once in
/// twenty burdens people who did not cause it. Long runs with other seeds are
/// started by hand.
const DEFAULT_SEED: u64 = 1;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// The tests that [`differential!`](crate::differential!) makes.
pub const PARTS: u64 = 4;
/// Histories that are under way at the same time. A store that waits for a server, or
/// for time to pass, leaves the processors to the others.
const LANES: u64 = 4;

/// Compares the strategy of `place` with the memory strategy, in all operations
/// that the environment asks for.
///
/// # Panics
/// When they differ, with the shortest history found that shows it.
pub fn run<P, M>(place: impl Fn() -> M + Sync)
where
    P: Place + 'static,
    M: Future<Output = P>,
{
    run_operations(place, setting("REPO_TESTKIT_OPERATIONS", DEFAULT_OPERATIONS), 0);
}

/// As [`run`], in one of [`PARTS`] equal parts of the operations, each with
/// histories of its own.
///
/// # Panics
/// When they differ, with the shortest history found that shows it.
pub fn run_part<P, M>(place: impl Fn() -> M + Sync, part: u64)
where
    P: Place + 'static,
    M: Future<Output = P>,
{
    run_part_of(place, part, u64::MAX);
}

/// As [`run_part`], of at most so many operations in all parts together.
///
/// # Panics
/// When they differ, with the shortest history found that shows it.
pub fn run_part_of<P, M>(place: impl Fn() -> M + Sync, part: u64, most: u64)
where
    P: Place + 'static,
    M: Future<Output = P>,
{
    let operations = setting("REPO_TESTKIT_OPERATIONS", DEFAULT_OPERATIONS).min(most);
    run_operations(place, operations.div_ceil(PARTS), part);
}

fn run_operations<P, M>(place: impl Fn() -> M + Sync, operations: u64, part: u64)
where
    P: Place + 'static,
    M: Future<Output = P>,
{
    let place = &place;
    std::thread::scope(|scope| {
        let lane = |lane| move || run_lane(place, operations.div_ceil(LANES), part, lane);
        let lanes: Vec<_> = (0..LANES).map(|nth| scope.spawn(lane(nth))).collect();
        for lane in lanes {
            // The scope itself would replace the message, which holds the history.
            if let Err(panic) = lane.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

fn run_lane<P, M>(place: &impl Fn() -> M, operations: u64, part: u64, lane: u64)
where
    P: Place + 'static,
    M: Future<Output = P>,
{
    let seed = setting("REPO_TESTKIT_SEED", DEFAULT_SEED);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let made = Cell::new(0);
    for nth in 0.. {
        if made.get() >= operations {
            break;
        }
        let outcome = runner([seed, part, nth * LANES + lane]).run(&history(LONGEST), |history| {
            let calls = runtime.block_on(async { compare(place().await, &history).await })?;
            made.set(made.get() + calls);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(reason, history)) => {
                panic!("with REPO_TESTKIT_SEED={seed}, {reason}\n{}", readable(&history))
            }
            Err(TestError::Abort(reason)) => panic!("the run was given up: {reason}"),
        }
    }
}

/// What makes one history, always the same for these numbers.
fn runner(numbers: [u64; 3]) -> TestRunner {
    let config = Config {
        // The caller counts operations, not histories.
        cases: 1,
        max_shrink_iters: 3_000,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The history, one step a line.
fn readable(history: &[Operation]) -> String {
    let step = |(at, operation)| format!("{at:4}. {operation:?}\n");
    history.iter().enumerate().map(step).collect()
}

/// The reference and the store under test.
struct Both {
    reference: (Fixture, Store),
    tested: (Fixture, Store),
    /// Of the reference and of the store under test.
    readers: (Reader, Reader),
}

impl Both {
    async fn new(place: impl Place + 'static) -> Self {
        let reference = Fixture::new(MemoryPlace::default());
        let mut tested = Fixture::new(place);
        tested.clock = Arc::clone(&reference.clock);
        let stores = (reference.prepared().await, tested.prepared().await);
        Self {
            reference: (reference, stores.0),
            tested: (tested, stores.1),
            readers: <(Reader, Reader)>::default(),
        }
    }

    async fn reopen(self) -> Self {
        let ((reference, one), (tested, other)) = (self.reference, self.tested);
        let stores = (reference.reopen(one).await, tested.reopen(other).await);
        let readers = self.readers;
        Self { reference: (reference, stores.0), tested: (tested, stores.1), readers }
    }

    fn have_feeds(&self) -> bool {
        self.tested.1.capabilities().changes
    }

    /// Reads both feeds, or removes what was read.
    async fn follow(&mut self, at: usize, operation: &Operation) -> Result<(), TestCaseError> {
        let (reference, tested) = (&self.reference.1, &self.tested.1);
        let (expected, found) = match operation {
            Operation::TrimFeed => {
                (self.readers.0.trim(reference).await, self.readers.1.trim(tested).await)
            }
            _ => (self.readers.0.read(reference).await, self.readers.1.read(tested).await),
        };
        if found == expected {
            return Ok(());
        }
        Err(TestCaseError::fail(format!(
            "the feeds at step {at} differ\nexpected: {expected:?}\nfound:    {found:?}"
        )))
    }
}

/// Runs one history on both and compares each answer and the final state; how
/// many calls that were.
async fn compare(place: impl Place + 'static, history: &[Operation]) -> Result<u64, TestCaseError> {
    let mut calls = 0;
    let mut both = Both::new(place).await;
    let clock = Arc::clone(&both.reference.0.clock);
    for (at, operation) in history.iter().enumerate() {
        match operation {
            Operation::Wait(micros) => clock.advance(Duration::from_micros(*micros)),
            Operation::Reopen => both = both.reopen().await,
            Operation::ReadFeed | Operation::TrimFeed if both.have_feeds() => {
                both.follow(at, operation).await?;
                calls += 1;
            }
            Operation::Capture(_) | Operation::ReadFeed | Operation::TrimFeed
                if !both.have_feeds() => {}
            Operation::History(..)
            | Operation::Versions(..)
            | Operation::WriteVersions(..)
            | Operation::AsOf(..)
                if !both.tested.1.capabilities().history => {}
            _ => {
                step(&both, clock.as_ref(), at, operation).await?;
                calls += 1;
            }
        }
    }
    let expected = everything(&both.reference.1).await.map_err(unreadable)?;
    let found = everything(&both.tested.1).await.map_err(unreadable)?;
    if found != expected {
        let message = format!("the final states differ{}", difference(&expected, &found));
        return Err(TestCaseError::fail(message));
    }
    both.tested.1.close().await.map_err(unreadable)?;
    Ok(calls)
}

type State = (Vec<Record>, Answer);

/// The records that are not in both, and the stores' own records.
fn difference(expected: &State, found: &State) -> String {
    let mut text = String::new();
    for (word, of, other) in [("expected", expected, found), ("found", found, expected)] {
        for record in of.0.iter().filter(|record| !other.0.contains(record)) {
            text.push_str(&format!("\n{word}: {record:?}"));
        }
        if of.1 != other.1 {
            text.push_str(&format!("\n{word}: {:?}", of.1));
        }
    }
    text
}

async fn step(
    both: &Both,
    clock: &repo_core::ManualClock,
    at: usize,
    operation: &Operation,
) -> Result<(), TestCaseError> {
    let Some(call) = call(&both.reference.1, clock, operation).await.map_err(unreadable)? else {
        return Ok(());
    };
    let expected = ask(&both.reference.1, &call).await;
    let found = ask(&both.tested.1, &call).await;
    if found == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "the answers to step {at} differ\nat {}: {call:?}\nexpected: {expected:?}\nfound:    {found:?}",
        clock.now(),
    )))
}

fn unreadable(error: repo_core::Error) -> TestCaseError {
    TestCaseError::fail(format!("a store cannot be read: {error:?}"))
}
