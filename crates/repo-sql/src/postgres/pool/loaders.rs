//! Connections for COPY. Each takes the place of one of the pool's, so that
//! there are never more than the settings say, and gives the place back as soon
//! as a caller waits for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::lending::{Connections, Lent};
use crate::postgres::guess::Guess;
use crate::postgres::loader::Loader;

/// The loaders of a pool that are not in use.
pub(super) struct Loaders {
    idle: Mutex<Vec<Placed>>,
    /// How many these are.
    count: AtomicUsize,
    /// How many wait for a connection, or are about to.
    wishes: AtomicUsize,
    /// Whether a loader will be used again before its place is wanted back.
    lasting: Guess,
    renew_after: Option<Duration>,
}

/// A loader with the place in the pool that it takes.
struct Placed {
    loader: Loader,
    /// Its own connection is closed.
    place: Lent,
}

/// A caller waits for a connection.
pub(super) struct Wish<'a>(&'a AtomicUsize);

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Loaders {
    pub(super) fn new(renew_after: Option<Duration>) -> Self {
        Self {
            idle: Mutex::default(),
            count: AtomicUsize::new(0),
            wishes: AtomicUsize::new(0),
            lasting: Guess::default(),
            renew_after,
        }
    }

    /// Says that a connection is wanted, and gives idle places back where there
    /// is no other. A caller that wants one notes its wish and then looks for
    /// loaders; one that is done with a loader gives it back and then looks for
    /// wishes: so one of the two sees the other.
    pub(super) fn make_room(&self, connections: &Connections) -> Wish<'_> {
        self.wishes.fetch_add(1, Ordering::SeqCst);
        self.give_up_if_full(connections);
        Wish(&self.wishes)
    }

    fn give_up_if_full(&self, connections: &Connections) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let status = connections.status();
        if status.size >= status.max_size && status.available == 0 {
            self.clear();
            self.lasting.was_wrong();
        }
    }

    /// Closes the idle ones.
    pub(super) fn clear(&self) {
        let closed = self.change(std::mem::take);
        drop(closed);
    }

    /// Lends one that is idle.
    pub(super) fn lend_idle(self: &Arc<Self>, connections: &Connections) -> Option<LentLoader> {
        let placed = self.take()?;
        self.lasting.was_right();
        Some(self.lent(placed, connections))
    }

    /// Whether a new one is likely to be used again.
    pub(super) fn are_likely(&self) -> bool {
        self.lasting.is_likely()
    }

    /// Lends a new one, in the place of a connection that was closed for it.
    pub(super) fn lend_new(
        self: &Arc<Self>,
        loader: Loader,
        place: Lent,
        connections: &Connections,
    ) -> LentLoader {
        self.lent(Placed { loader, place }, connections)
    }

    /// None could be made.
    pub(super) fn missed(&self) {
        self.lasting.was_wrong();
    }

    fn lent(self: &Arc<Self>, placed: Placed, connections: &Connections) -> LentLoader {
        LentLoader { placed, loaders: Arc::clone(self), connections: connections.clone() }
    }

    fn take(&self) -> Option<Placed> {
        let fresh = |placed: &Placed| {
            let old = self.renew_after.is_some_and(|age| placed.loader.age() > age);
            !old && !placed.loader.is_closed()
        };
        loop {
            let placed = self.change(Vec::pop)?;
            if fresh(&placed) {
                return Some(placed);
            }
        }
    }

    fn put(&self, placed: Placed, connections: &Connections) {
        self.change(|idle| idle.push(placed));
        if connections.is_closed() {
            self.clear();
        } else if self.wishes.load(Ordering::SeqCst) > 0 {
            self.give_up_if_full(connections);
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Placed>) -> T) -> T {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut idle);
        self.count.store(idle.len(), Ordering::SeqCst);
        done
    }
}

/// A loader that goes back after it was used; dropped, it is closed.
pub(in crate::postgres) struct LentLoader {
    placed: Placed,
    loaders: Arc<Loaders>,
    connections: Connections,
}

impl LentLoader {
    /// Sends rows to a COPY statement; how many it wrote.
    ///
    /// # Errors
    /// What the server says; then nothing is written.
    pub(in crate::postgres) async fn copy(
        mut self,
        sql: &Arc<str>,
        rows: Vec<u8>,
    ) -> Result<u64, tokio_postgres::Error> {
        let written = self.placed.loader.copy(sql, rows).await?;
        let Self { placed, loaders, connections } = self;
        if !placed.place.is_one_too_many() {
            loaders.put(placed, &connections);
        }
        Ok(written)
    }
}
