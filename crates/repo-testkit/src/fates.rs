//! A layer that decides what becomes of commits: not done, done without an answer, or done
//! later, after something else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use repo_core::{Error, ErrorKind, Result, Write, Written};
use repo_layers::{Inner, Layer};
use tokio::sync::Notify;

use crate::Store;

/// What becomes of one commit.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is done, and the caller knows.
    Done,
    /// It is not done, and the caller knows.
    Refused,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is not done, and the answer is lost.
    Vanished,
    /// It is sent once the gate is opened.
    Held(Arc<Gate>),
}

/// Where a commit waits.
#[derive(Debug, Default)]
pub struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// Waits until a commit waits here.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the commit go on that waits here.
    pub fn open(&self) {
        self.opened.notify_one();
    }
}

/// The fates of the next commits through one handle; those after them are done.
#[derive(Debug, Default, Clone)]
pub struct Fates(Arc<Mutex<VecDeque<Fate>>>);

impl Fates {
    /// A handle of a store, and what becomes of the commits through it.
    #[must_use]
    pub fn over(store: &Store) -> (Self, Store) {
        let fates = Self::default();
        let handle = fates.clone().around(Arc::clone(store));
        (fates, handle)
    }

    /// What becomes of the next commits, in place of what was planned before.
    pub fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.0.lock().unwrap() = fates.into_iter().collect();
    }

    /// Holds one of the next commits: `after` are done before.
    pub fn hold(&self, after: usize) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        let done = std::iter::repeat_n(Fate::Done, after);
        self.plan(done.chain([Fate::Held(gate.clone())]));
        gate
    }

    /// How many planned fates are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Layer for Fates {
    async fn commit(&self, inner: &Inner, writes: Vec<Write>) -> Result<Vec<Written>> {
        let fate = self.0.lock().unwrap().pop_front().unwrap_or(Fate::Done);
        let broken = |kind| Error::new(kind, "commit", "the test breaks it off");
        match fate {
            Fate::Done => inner.commit(writes).await,
            Fate::Refused => Err(broken(ErrorKind::Unavailable)),
            Fate::Vanished => Err(broken(ErrorKind::OutcomeUnknown)),
            Fate::Unheard => {
                inner.commit(writes).await?;
                Err(broken(ErrorKind::OutcomeUnknown))
            }
            Fate::Held(gate) => {
                gate.reached.notify_one();
                gate.opened.notified().await;
                inner.commit(writes).await
            }
        }
    }
}
