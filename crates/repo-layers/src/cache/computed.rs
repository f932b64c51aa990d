//! Values that are computed once for many callers.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use repo_core::{Error, Result};
use tokio::time::Instant;

use super::bounded::Bounded;
use super::shared_error::own;

/// What a value takes besides its name and its own bytes.
const OVERHEAD: usize = 300;
/// Ten years: for a time that no clock reaches.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

type Computing<V> = Shared<BoxFuture<'static, Result<V, Arc<Error>>>>;
type WeakComputing<V> = WeakShared<BoxFuture<'static, Result<V, Arc<Error>>>>;

/// Values under names, each computed once among all who ask for it at the same time, and
/// kept for a time: the sum of a query, the answer of another service.
///
/// The values are in the memory of this process alone, beside the store and not in it:
/// they are no records, have no version and are gone with the process. What has to be
/// stored, or be the same for several processes, is a record.
///
/// Cheap to clone; all clones are one cache.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::time::Duration;
///
/// use repo_layers::ComputedCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let most = NonZeroU64::MIN.saturating_add(1_000_000);
/// let sums = ComputedCache::new(most, |_: &u64| size_of::<u64>());
/// let minute = Duration::from_secs(60);
/// let sum = sums.get_or_compute("running", minute, || async { Ok(41 + 1) }).await?;
/// let again = sums.get_or_compute("running", minute, || async { Ok(0) }).await?;
/// assert_eq!((sum, again), (42, 42));
/// sums.forget("running");
/// assert_eq!(sums.get("running"), None);
/// # Ok(())
/// # }
/// ```
pub struct ComputedCache<V>(Arc<State<V>>);

struct State<V> {
    kept: Bounded<Arc<str>, Kept<V>>,
    /// What is being computed and will be kept, by name; a name is there once.
    under_way: Mutex<HashMap<Arc<str>, UnderWay<V>>>,
    begun: AtomicU64,
    bytes: Box<dyn Fn(&V) -> usize + Send + Sync>,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    until: Instant,
    weight: u32,
}

struct UnderWay<V> {
    number: u64,
    computing: WeakComputing<V>,
}

impl<V> Clone for ComputedCache<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for ComputedCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.kept.entries();
        f.debug_struct("ComputedCache").field("kept", &kept).finish_non_exhaustive()
    }
}

impl<V: Clone + Send + Sync + 'static> ComputedCache<V> {
    /// Keeps at most about `max_bytes`: of each value what `bytes` says, its name, and 300
    /// bytes. What is asked for least goes first.
    pub fn new(max_bytes: NonZeroU64, bytes: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        let weigh = |_: &Arc<str>, kept: &Kept<V>| kept.weight;
        Self(Arc::new(State {
            kept: Bounded::new(max_bytes, None, weigh),
            under_way: Mutex::default(),
            begun: AtomicU64::new(0),
            bytes: Box::new(bytes),
        }))
    }

    /// The value under a name; without one what `compute` gives, which is kept for `ttl`
    /// from then on. All who ask meanwhile wait for that one computation, and their own is
    /// not begun; it goes on as long as one of them waits.
    ///
    /// # Errors
    /// That of the computation, for all who waited for it; nothing is kept. A `Conflict`
    /// of a computation that another caller began is `Unavailable`: ask again.
    pub async fn get_or_compute<F>(
        &self,
        name: &str,
        ttl: Duration,
        compute: impl FnOnce() -> F + Send + 'static,
    ) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        if let Some(value) = self.get(name) {
            return Ok(value);
        }
        match State::begin(&self.0, name, ttl, compute) {
            Begun::Kept(value) => Ok(value),
            Begun::Computing(computing) => computing.await.map_err(own),
        }
    }

    /// The value under a name, if it is kept and not too old.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<V> {
        self.0.get(name)
    }

    /// Forgets a value. One that is being computed is given to those who wait for it, and
    /// to nobody after them.
    pub fn forget(&self, name: &str) {
        let mut under_way = self.0.lock();
        under_way.remove(name);
        self.0.kept.remove(name);
    }

    /// Forgets all values, in the same way.
    pub fn forget_all(&self) {
        let mut under_way = self.0.lock();
        under_way.clear();
        self.0.kept.clear();
    }
}

/// What a caller gets whose value was not kept.
enum Begun<V> {
    /// It is by now.
    Kept(V),
    /// It is being computed.
    Computing(Computing<V>),
}

impl<V: Clone + Send + Sync + 'static> State<V> {
    fn get(&self, name: &str) -> Option<V> {
        let kept = self.kept.get(name)?;
        (Instant::now() < kept.until).then_some(kept.value)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, UnderWay<V>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins who computes the value, or begins.
    fn begin<F>(
        this: &Arc<Self>,
        name: &str,
        ttl: Duration,
        compute: impl FnOnce() -> F + Send + 'static,
    ) -> Begun<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let mut under_way = this.lock();
        if let Some(value) = this.get(name) {
            return Begun::Kept(value);
        }
        if let Some(other) = under_way.get(name)
            && let Some(computing) = other.computing.upgrade()
        {
            return Begun::Computing(computing);
        }
        let name: Arc<str> = Arc::from(name);
        let number = this.begun.fetch_add(1, Ordering::Relaxed);
        let noted = Noted { state: Arc::clone(this), name: Arc::clone(&name), number };
        let computing = noted.run(ttl, compute).boxed().shared();
        if let Some(weak) = computing.downgrade() {
            under_way.insert(name, UnderWay { number, computing: weak });
        }
        Begun::Computing(computing)
    }
}

/// A computation that is noted under its name, until it ends or everybody gives it up.
struct Noted<V: Clone + Send + Sync + 'static> {
    state: Arc<State<V>>,
    name: Arc<str>,
    number: u64,
}

impl<V: Clone + Send + Sync + 'static> Noted<V> {
    async fn run<F>(
        self,
        ttl: Duration,
        compute: impl FnOnce() -> F + Send + 'static,
    ) -> Result<V, Arc<Error>>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let value = compute().await.map_err(Arc::new)?;
        self.keep(&value, ttl);
        Ok(value)
    }

    /// Keeps the value, unless it was forgotten meanwhile.
    fn keep(&self, value: &V, ttl: Duration) {
        let bytes = OVERHEAD.saturating_add(self.name.len());
        let bytes = bytes.saturating_add((self.state.bytes)(value));
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        let now = Instant::now();
        let until = now.checked_add(ttl).unwrap_or(now + FAR);
        let under_way = self.state.lock();
        if under_way.get(&self.name).is_some_and(|noted| noted.number == self.number) {
            let kept = Kept { value: value.clone(), until, weight };
            self.state.kept.insert(Arc::clone(&self.name), kept, weight);
        }
        drop(under_way);
        self.state.kept.settle();
    }
}

impl<V: Clone + Send + Sync + 'static> Drop for Noted<V> {
    fn drop(&mut self) {
        let mut under_way = self.state.lock();
        if under_way.get(&self.name).is_some_and(|noted| noted.number == self.number) {
            under_way.remove(&self.name);
        }
    }
}
