//! What is kept within a bound in bytes.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

/// The books are done when this part of the bytes has come in since the last time.
const UNSETTLED: u64 = 16;
/// The longest time for which something is kept that has a time.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A cache that throws out what is asked for least. It writes down what comes in and goes
/// out, and does its books later; until then it may hold more than it should.
pub(super) struct Bounded<K, V> {
    kept: Cache<K, V>,
    max_bytes: NonZeroU64,
    /// Bytes that came in since the books were done.
    unsettled: AtomicU64,
}

impl<K, V> Bounded<K, V> {
    pub(super) fn entries(&self) -> u64 {
        self.kept.entry_count()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes.get()
    }
}

impl<K, V> Bounded<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// With a time, what is kept is thrown out after it at the latest. That is for its
    /// memory: who must not see what is older looks at the time too.
    pub(super) fn new(
        max_bytes: NonZeroU64,
        time: Option<Duration>,
        weigh: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
    ) -> Self {
        let builder = Cache::builder().max_capacity(max_bytes.get()).weigher(weigh);
        let builder = match time {
            Some(time) => builder.time_to_live(time.min(YEAR)),
            None => builder,
        };
        Self { kept: builder.build(), max_bytes, unsettled: AtomicU64::new(0) }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.kept.get(key)
    }

    pub(super) fn insert(&self, key: K, value: V, weight: u32) {
        self.unsettled.fetch_add(u64::from(weight), Ordering::Relaxed);
        self.kept.insert(key, value);
    }

    pub(super) fn remove<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.kept.invalidate(key);
    }

    pub(super) fn clear(&self) {
        self.kept.invalidate_all();
    }

    /// Does the books, if much came in since the last time.
    pub(super) fn settle(&self) {
        if self.unsettled.load(Ordering::Relaxed) >= self.max_bytes.get() / UNSETTLED {
            self.settle_now();
        }
    }

    /// Does the books. What was removed is freed then.
    pub(super) fn settle_now(&self) {
        self.unsettled.store(0, Ordering::Relaxed);
        self.kept.run_pending_tasks();
    }
}
