//! The jobs of the thread that writes, and their queue.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use repo_core::{Error, Result};
use rusqlite::Connection;

use super::catalog::Catalog;
use super::session::Session;

/// Most commits in one transaction.
const MAX_GROUP: usize = 256;
/// Longest wait for the next commit of a group that is smaller than the last:
/// a fraction of what a sync takes.
const LINGER: Duration = Duration::from_micros(50);
/// How long the thread looks for the next commit before it sleeps, with the
/// processor free for other threads. Being woken takes as long, and a
/// caller that commits again and again would wait for it each time (decision 0024).
const AWAKE: Duration = Duration::from_micros(50);

/// What a grouped job does: its writes, in a transaction that is open.
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Catalog,
    /// Whether nothing may follow in this transaction: the catalog is older than what was
    /// done in it.
    pub(super) is_last: Cell<bool>,
}

/// Takes how the transaction around a job ended, and answers the caller.
pub(super) type Answer = Box<dyn FnOnce(Option<Error>) + Send>;
/// Runs a job in a transaction, or refuses it; whether its writes stay, and
/// the answer to give after the commit.
pub(super) type Grouped = Box<dyn FnOnce(Result<&Transaction<'_>>) -> (bool, Answer) + Send>;
/// A job that has the connection to itself, outside a transaction.
pub(super) type Alone = Box<dyn FnOnce(&mut Session) + Send>;

pub(super) enum Job {
    Grouped(Grouped),
    Alone(Alone),
}

/// The jobs in the order in which they came.
pub(super) struct Queue {
    jobs: Receiver<Job>,
    /// A job that did not belong to the group it was taken for.
    put_back: Option<Job>,
    /// How many commits the last group had.
    expected: usize,
}

impl Queue {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, put_back: None, expected: 1 }
    }

    /// The next job; `None` when the handle is closed and all are done.
    pub(super) fn next(&mut self) -> Option<Job> {
        if self.put_back.is_some() {
            return self.put_back.take();
        }
        let began = Instant::now();
        while began.elapsed() < AWAKE {
            match self.jobs.try_recv() {
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                job => return job.ok(),
            }
        }
        self.jobs.recv().ok()
    }

    /// A commit that goes into the transaction in which `done` are already;
    /// `None` ends the group. When the last group was larger, its callers are
    /// likely to come again at once: they are waited for as long as one follows
    /// another quickly, since a sync costs more than that. A caller that is
    /// alone never waits.
    pub(super) fn next_of_group(&mut self, done: usize) -> Option<Grouped> {
        if done >= MAX_GROUP {
            return None;
        }
        let next = match self.put_back.take() {
            Some(job) => Some(job),
            None if done < self.expected => self.jobs.recv_timeout(LINGER).ok(),
            None => self.jobs.try_recv().ok(),
        };
        match next? {
            Job::Grouped(job) => Some(job),
            alone => {
                self.put_back = Some(alone);
                None
            }
        }
    }

    /// Notes how large a group became.
    pub(super) fn ended_with(&mut self, commits: usize) {
        self.expected = commits;
    }
}
