//! How fast a copy goes: as many batches at a time as the target bears, and no
//! more entities a second than the operator allows.
//!
//! A target that answers `Unavailable` (throttled, busy, a deadlock) has not
//! applied the batch: it is tried again after a pause that grows, and half as
//! many batches are written at a time. Each run of batches without such an
//! answer adds one again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use repo_core::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::progress::Progress;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Batches without a refusal after which one more is written at a time.
const SUCCESSES: u32 = 20;

/// The throttle of one run.
pub(crate) struct Throttle<'a> {
    /// How long a refused batch is tried again.
    patience: Duration,
    per_second: Option<NonZeroUsize>,
    most: usize,
    permits: Semaphore,
    now: Mutex<Now>,
    progress: &'a dyn Progress,
}

struct Now {
    /// Batches that may be written at a time.
    at_a_time: usize,
    /// Permits that are to be withdrawn when they come back.
    surplus_permits: usize,
    successes: u32,
    refusals: u64,
    /// When the entities that are under way have had their time.
    free_at: Instant,
    /// Entities a second while something else asks for fewer.
    slowed_to: Option<NonZeroUsize>,
}

impl<'a> Throttle<'a> {
    pub(crate) fn new(
        workers: NonZeroUsize,
        per_second: Option<NonZeroUsize>,
        patience: Duration,
        progress: &'a dyn Progress,
    ) -> Self {
        let most = workers.get().min(Semaphore::MAX_PERMITS);
        let now = Now {
            at_a_time: most,
            surplus_permits: 0,
            successes: 0,
            refusals: 0,
            free_at: Instant::now(),
            slowed_to: None,
        };
        let (permits, now) = (Semaphore::new(most), Mutex::new(now));
        Self { patience, per_second, most, permits, now, progress }
    }

    /// Most batches at a time.
    pub(crate) fn workers(&self) -> usize {
        self.most
    }

    /// How often the target refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.now().refusals
    }

    /// Lets no more than so many entities a second through from now on; `None` for as many as
    /// the operator allows.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(crate) fn slow_down(&self, per_second: Option<f64>) {
        let least = |rate: f64| NonZeroUsize::new(rate as usize).unwrap_or(NonZeroUsize::MIN);
        let mut now = self.now();
        now.slowed_to = per_second.map(least);
        // Turns that were booked at the rate of before count no more.
        now.free_at = now.free_at.min(Instant::now());
    }

    /// Whether it is asked to go slower.
    #[cfg(test)]
    pub(crate) fn is_slowed(&self) -> bool {
        self.now().slowed_to.is_some()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of a batch of `entities` when it is its turn, and again
    /// while the target refuses it. The work must be safe to repeat.
    ///
    /// # Errors
    /// The last refusal, when the patience is over or the run is to end.
    pub(crate) async fn batch<T, F: Future<Output = Result<T>>>(
        &self,
        entities: usize,
        work: impl Fn() -> F,
    ) -> Result<T> {
        let permit = self.permit().await?;
        self.wait_for_turn(entities).await;
        let done = self.persist(work).await;
        self.give_back(permit);
        done
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        self.permits.acquire().await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "migrate", "the run has ended").caused_by(error)
        })
    }

    fn give_back(&self, permit: SemaphorePermit<'_>) {
        let mut now = self.now();
        if now.surplus_permits > 0 {
            now.surplus_permits -= 1;
            permit.forget();
        }
    }

    async fn wait_for_turn(&self, entities: usize) {
        let turn = {
            let mut now = self.now();
            let rates = self.per_second.into_iter().chain(now.slowed_to);
            let Some(per_second) = rates.min() else { return };
            let turn = now.free_at.max(Instant::now());
            now.free_at = turn + duration_of(entities, per_second);
            turn
        };
        self.sleep(turn.saturating_duration_since(Instant::now())).await;
    }

    async fn persist<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Result<T> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match work().await {
                Err(error) if error.kind() == ErrorKind::Unavailable => error,
                done => {
                    self.succeeded();
                    return done;
                }
            };
            self.refused(&error);
            if began.elapsed() >= self.patience || self.sleep(jittered(pause)).await {
                return Err(error);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sleeps; true when the run is to end.
    async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.progress.stopped() => true,
            () = tokio::time::sleep(duration) => false,
        }
    }

    fn succeeded(&self) {
        let mut now = self.now();
        now.successes += 1;
        if now.successes < SUCCESSES || now.at_a_time == self.most {
            return;
        }
        (now.successes, now.at_a_time) = (0, now.at_a_time + 1);
        if now.surplus_permits > 0 {
            now.surplus_permits -= 1;
        } else {
            self.permits.add_permits(1);
        }
    }

    fn refused(&self, error: &Error) {
        let mut now = self.now();
        (now.successes, now.refusals) = (0, now.refusals + 1);
        let fewer = (now.at_a_time / 2).max(1);
        let less = now.at_a_time - fewer;
        now.at_a_time = fewer;
        now.surplus_permits += less - self.permits.forget_permits(less);
        let first = now.refusals == 1;
        drop(now);
        if first && !self.patience.is_zero() {
            self.progress.warning(&format!(
                "the target refuses batches for now, which are tried again, fewer at a time: {error}"
            ));
        }
    }
}

/// How long that many entities may take at least.
fn duration_of(entities: usize, per_second: NonZeroUsize) -> Duration {
    let nanos = entities as u128 * 1_000_000_000 / per_second.get() as u128;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Between a half and the whole of it, so that workers do not come back all at
/// once. The standard library seeds its hashers at random.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 512;
    pause / 2 + pause / 1_024 * u32::try_from(random).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;
    use crate::progress::Silent;

    fn throttle(workers: usize, patience: Duration) -> Throttle<'static> {
        Throttle::new(NonZeroUsize::new(workers).unwrap(), None, patience, &Silent)
    }

    fn refusal() -> Error {
        Error::new(ErrorKind::Unavailable, "apply", "too many requests")
    }

    #[tokio::test]
    async fn a_refused_batch_is_tried_again_and_others_less_at_a_time() {
        let throttle = throttle(8, Duration::from_secs(60));
        let tries = AtomicU64::new(0);
        let work = || async {
            if tries.fetch_add(1, Ordering::SeqCst) < 2 { Err(refusal()) } else { Ok(7) }
        };
        assert_eq!(throttle.batch(1, work).await.unwrap(), 7);
        assert_eq!((throttle.refusals(), throttle.now().at_a_time), (2, 2));
        assert_eq!(throttle.permits.available_permits(), 2);
        for _ in 0..SUCCESSES * 6 {
            throttle.batch(1, || async { Ok(()) }).await.unwrap();
        }
        assert_eq!((throttle.now().at_a_time, throttle.permits.available_permits()), (8, 8));
    }

    #[tokio::test]
    async fn patience_ends_and_other_errors_are_told_at_once() {
        let error =
            throttle(2, Duration::ZERO).batch(1, || async { Err::<(), _>(refusal()) }).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
        let tries = AtomicU64::new(0);
        let work = || async {
            tries.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(refusal().into_kind(ErrorKind::OutcomeUnknown))
        };
        throttle(2, Duration::from_secs(60)).batch(1, work).await.unwrap_err();
        assert_eq!(tries.into_inner(), 1, "what may have been applied is not repeated blindly");
    }

    #[tokio::test]
    async fn no_more_at_a_time_than_workers_and_than_the_target_bears() {
        let throttle = throttle(4, Duration::from_secs(60));
        let (at_once, most, calls) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || async {
            let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            // All of the first four are refused once.
            if calls.fetch_add(1, Ordering::SeqCst) < 4 { Err(refusal()) } else { Ok(()) }
        };
        let batches = (0..12).map(|_| throttle.batch(1, work));
        futures::future::try_join_all(batches).await.unwrap();
        assert_eq!(most.swap(0, Ordering::SeqCst), 4);
        assert_eq!(throttle.permits.available_permits(), 1);
        assert_eq!(throttle.now().at_a_time, 1);
        assert_eq!(throttle.now().surplus_permits, 0);
        let batches = (0..6).map(|_| throttle.batch(1, work));
        futures::future::try_join_all(batches).await.unwrap();
        assert_eq!(most.into_inner(), 1);
    }

    #[tokio::test]
    async fn it_goes_slower_for_as_long_as_it_is_asked_to() {
        let limit = NonZeroUsize::new(1_000);
        let throttle = Throttle::new(NonZeroUsize::MIN, limit, Duration::ZERO, &Silent);
        let turn = |throttle: &Throttle<'_>| {
            let now = throttle.now();
            now.free_at.saturating_duration_since(Instant::now())
        };
        throttle.slow_down(Some(0.5));
        throttle.batch(1_000, || async { Ok(()) }).await.unwrap();
        assert!(turn(&throttle) > Duration::from_secs(500), "{:?}", turn(&throttle));
        throttle.now().free_at = Instant::now();
        throttle.slow_down(None);
        throttle.batch(2, || async { Ok(()) }).await.unwrap();
        assert!(turn(&throttle) <= Duration::from_millis(2), "{:?}", turn(&throttle));
    }

    #[tokio::test]
    async fn the_rate_is_kept_over_all_workers() {
        let limit = NonZeroUsize::new(1_000);
        let throttle = Throttle::new(NonZeroUsize::new(4).unwrap(), limit, Duration::ZERO, &Silent);
        let began = Instant::now();
        let batches = (0..6).map(|_| throttle.batch(50, || async { Ok(()) }));
        futures::future::try_join_all(batches).await.unwrap();
        // The last of them has to wait for the 250 before it.
        assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    }
}
