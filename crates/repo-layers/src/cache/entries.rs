//! What is kept, and who reads and writes which key at this moment.
//!
//! A read may take long. By the time it ends the key may have been written, and the
//! entry of that write thrown out again to make room, so comparing versions with what is
//! kept would not tell that the read is too old. So each read is noted with its key while
//! it is under way, and whatever changes the key takes the note away: the answer of a
//! read without a note is kept for nobody. All that happens to a key happens under the
//! lock of its shard, so in an order.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use repo_core::strategy::Record;
use repo_core::{Key, Version};
use tokio::time::Instant;

use super::bounded::Bounded;
use super::entry::{Begun, Entry, MostAge};
use super::under_way::{KeyRead, SharedRead};

/// Locks, so that callers about different keys seldom wait for each other.
const SHARDS: usize = 64;

/// What a cache did so far, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Ids that were answered from the cache.
    pub hits: u64,
    /// Ids for which the store was asked.
    pub misses: u64,
    /// Ids for which somebody else was asking the store already.
    pub waits: u64,
    /// Entries now, of ids that are not there too.
    pub entries: u64,
    /// About how many bytes they take.
    pub bytes: u64,
}

/// What one call of `get_many` found how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) hits: usize,
    pub(super) misses: usize,
    pub(super) waits: usize,
}

/// What a caller who wants a key that is not kept has to do.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Nothing: it is kept by now.
    Kept(Arc<Entry>),
    /// Wait for this read, which has it at this place.
    Wait(SharedRead, usize),
    /// Read it.
    Read,
}

/// What a write did to a key.
#[derive(Debug)]
pub(super) enum Wrote {
    /// Nothing.
    Nothing,
    /// It left this.
    Left(Entry),
    /// It is not known what, or not to be kept.
    Unknown,
}

/// What goes on with a key.
#[derive(Debug, Default)]
struct Busy {
    /// The read whose answer will be kept.
    read: Option<KeyRead>,
    /// The writes that are under way.
    writes: Option<Writes>,
}

/// Writes of one key that are under way at the same time. Nothing is kept of the key
/// until the last of them has ended.
#[derive(Debug, Default)]
struct Writes {
    count: usize,
    /// What the one of the highest version left.
    newest: Option<Entry>,
    /// The highest version that the change feed told of meanwhile.
    fed: Option<Version>,
    /// Whether it is not known what one of them left.
    unknown: bool,
}

/// The entries of one store.
pub(super) struct Entries {
    kept: Bounded<Key, Arc<Entry>>,
    shards: Box<[Mutex<HashMap<Key, Busy>>]>,
    hasher: RandomState,
    ttl: Duration,
    /// How often everything was forgotten. An entry of an earlier round is none.
    round: AtomicU64,
    begun: AtomicU64,
    followed: AtomicBool,
    counts: [AtomicU64; 3],
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("max_bytes", &self.kept.max_bytes())
            .field("ttl", &self.ttl)
            .field("entries", &self.kept.entries())
            .finish_non_exhaustive()
    }
}

impl Entries {
    pub(super) fn new(max_bytes: NonZeroU64, ttl: Duration) -> Self {
        let weigh = |key: &Key, entry: &Arc<Entry>| entry.weight(key);
        Self {
            kept: Bounded::new(max_bytes, Some(ttl), weigh),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            ttl,
            round: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            followed: AtomicBool::new(false),
            counts: Default::default(),
        }
    }

    /// An operation begins.
    pub(super) fn begin(&self) -> Begun {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Begun { number, at: Instant::now(), round: self.round() }
    }

    /// The entry of a key, unless it is too old for an operation that begins.
    pub(super) fn find(&self, key: &Key, now: Begun, most: MostAge) -> Option<Arc<Entry>> {
        if most == MostAge::Strong {
            return None;
        }
        self.kept.get(key).filter(|entry| self.is_fresh(entry.since, now, most))
    }

    fn is_fresh(&self, since: Begun, now: Begun, most: MostAge) -> bool {
        since.round == self.round() && most.allows(since.at, now.at)
    }

    /// Notes that `read` reads a key, which it has at `place`, if nobody else does and it
    /// is not kept, both not before what `most` allows.
    pub(super) fn board(
        &self,
        key: &Key,
        begun: Begun,
        (read, place): (&SharedRead, usize),
        most: MostAge,
    ) -> Boarding {
        self.with(key, |busy| {
            if let Some(other) = &busy.read
                && (other.begun.number == begun.number || self.is_fresh(other.begun, begun, most))
                && let Some((read, place)) = other.join()
            {
                return Boarding::Wait(read, place);
            }
            if let Some(entry) = self.find(key, begun, most) {
                return Boarding::Kept(entry);
            }
            busy.read = KeyRead::new(begun, place, read);
            Boarding::Read
        })
    }

    /// Keeps what a read found under a key, if the read is still noted with it.
    pub(super) fn land(&self, key: &Key, begun: Begun, record: Option<&Record>) {
        self.with(key, |busy| {
            let noted = busy.read.take_if(|read| read.begun.number == begun.number);
            if noted.is_some() && busy.writes.is_none() {
                self.keep(key, Entry { record: record.cloned(), since: begun });
            }
        });
    }

    /// A read of a key ends without an answer.
    pub(super) fn give_up(&self, key: &Key, begun: Begun) {
        self.with(key, |busy| {
            busy.read.take_if(|read| read.begun.number == begun.number);
        });
    }

    /// A write of a key begins.
    pub(super) fn begin_write(&self, key: &Key) {
        self.with(key, |busy| {
            busy.read = None;
            busy.writes.get_or_insert_default().count += 1;
            self.kept.remove(key);
        });
    }

    /// A write of a key ends, for each that began once.
    pub(super) fn end_write(&self, key: &Key, wrote: Wrote) {
        self.with(key, |busy| {
            busy.read = None;
            let Some(writes) = &mut busy.writes else { return };
            match wrote {
                Wrote::Nothing => {}
                Wrote::Unknown => writes.unknown = true,
                Wrote::Left(entry) => {
                    let newest = writes.newest.as_ref().and_then(Entry::version);
                    if entry.version() > newest {
                        writes.newest = Some(entry);
                    }
                }
            }
            writes.count = writes.count.saturating_sub(1);
            if writes.count > 0 {
                return;
            }
            if let Some(Writes { newest: Some(newest), fed, unknown: false, .. }) =
                busy.writes.take()
                && fed <= newest.version()
            {
                self.keep(key, newest);
            }
        });
    }

    /// Forgets a key, whatever was or will be found by what is under way.
    pub(super) fn forget(&self, key: &Key) {
        self.with(key, |busy| {
            busy.read = None;
            if let Some(writes) = &mut busy.writes {
                writes.unknown = true;
            }
            self.kept.remove(key);
        });
    }

    /// The change feed tells of a key, which is stored in this version now; `None`: not
    /// any more.
    pub(super) fn changed(&self, key: &Key, stored: Option<Version>) {
        self.with(key, |busy| {
            busy.read = None;
            if let Some(writes) = &mut busy.writes {
                writes.fed = writes.fed.max(stored);
                writes.unknown |= stored.is_none();
            }
            // What this handle wrote comes back by the feed.
            let known = self.kept.get(key).is_some_and(|entry| entry.version() == stored);
            if !known || stored.is_none() {
                self.kept.remove(key);
            }
        });
    }

    /// Forgets everything, whatever was or will be found by what is under way.
    pub(super) fn forget_all(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
        self.kept.clear();
    }

    /// Throws out what is too much, if much came in since the last time.
    pub(super) fn settle(&self) {
        self.kept.settle();
    }

    /// The same in any case. What was forgotten is freed then.
    pub(super) fn settle_now(&self) {
        self.kept.settle_now();
    }

    /// Whether the caller is to follow the change feed, because nobody does.
    pub(super) fn claim_feed(&self) -> bool {
        !self.followed.load(Ordering::Relaxed) && !self.followed.swap(true, Ordering::AcqRel)
    }

    /// The caller does not follow it any more.
    pub(super) fn release_feed(&self) {
        self.followed.store(false, Ordering::Release);
    }

    /// Counts what a call found.
    pub(super) fn count(&self, found: Found) {
        let Found { hits, misses, waits } = found;
        for (count, more) in self.counts.iter().zip([hits, misses, waits]) {
            if more > 0 {
                count.fetch_add(more as u64, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.settle_now();
        let [hits, misses, waits] =
            [0, 1, 2].map(|place: usize| self.counts[place].load(Ordering::Relaxed));
        let (entries, bytes) = (self.kept.entries(), self.kept.bytes());
        CacheStats { hits, misses, waits, entries, bytes }
    }

    fn round(&self) -> u64 {
        self.round.load(Ordering::Acquire)
    }

    /// Keeps an entry. Where one of a higher version is kept, the two contradict each
    /// other, and neither is kept.
    fn keep(&self, key: &Key, entry: Entry) {
        let kept = self.find(key, entry.since, MostAge::Of(self.ttl));
        if kept.is_some_and(|kept| kept.version() > entry.version()) {
            self.kept.remove(key);
            return;
        }
        let weight = entry.weight(key);
        self.kept.insert(key.clone(), Arc::new(entry), weight);
    }

    /// Does something to a key while nobody else does anything to it.
    fn with<T>(&self, key: &Key, work: impl FnOnce(&mut Busy) -> T) -> T {
        let hash = self.hasher.hash_one(key);
        let place = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        let busy = shard.entry(key.clone()).or_default();
        let done = work(busy);
        if busy.read.is_none() && busy.writes.is_none() {
            shard.remove(key);
        }
        done
    }
}
