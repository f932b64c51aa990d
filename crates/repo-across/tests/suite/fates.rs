//! A layer that decides what becomes of commits: not done, done without an answer, or done
//! later, after something else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use repo_core::{Error, ErrorKind, Result, Write, Written};
use repo_layers::{Inner, Layer};
use tokio::sync::Notify;

use crate::common::Store;

/// What becomes of one commit.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
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
pub(crate) struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// Waits until a commit waits here.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

/// The fates of the next commits through one handle; those after them are done.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fates(Arc<Mutex<VecDeque<Fate>>>);

impl Fates {
    /// A handle of a store, and what becomes of its commits.
    pub(crate) fn over(store: &Store) -> (Self, Store) {
        let fates = Self::default();
        let handle = fates.clone().around(Arc::clone(store));
        (fates, handle)
    }

    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.0.lock().unwrap() = fates.into_iter().collect();
    }

    /// Holds one of the next commits: `after` are done before.
    pub(crate) fn hold(&self, after: usize) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        let done = std::iter::repeat_n(Fate::Done, after);
        self.plan(done.chain([Fate::Held(gate.clone())]));
        gate
    }

    /// How many planned fates are left.
    pub(crate) fn left(&self) -> usize {
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
