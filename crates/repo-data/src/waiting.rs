//! Values that wait for a commit, and who commits them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repo_core::{Attribution, Version};
use tokio::sync::oneshot;

use crate::model::Datapoint;

/// Most values of one commit. With a counter for the owner of each it is still one that every
/// store takes.
const MOST: usize = 48;
/// Most bytes of values of one commit: well below the 4 MB that DynamoDB takes.
const MOST_BYTES: u64 = 1 << 20;
/// How many commits are under way: while one waits for the disk, the next is made ready.
const MOST_COMMITS: usize = 2;
/// What waits to be stored.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    submissions: VecDeque<Submission>,
    commits: usize,
}

/// A value that waits.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) datapoint: Arc<Datapoint>,
    pub(crate) by: Option<Arc<Attribution>>,
    /// Receives its version, or nothing when it is to be stored alone.
    pub(crate) stored: oneshot::Sender<Option<Version>>,
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to begin to commit.
    pub(crate) fn add(&self, submission: Submission) -> bool {
        let mut queue = self.queue();
        queue.submissions.push_back(submission);
        let begin = queue.commits < MOST_COMMITS;
        queue.commits += usize::from(begin);
        begin
    }
}

/// The right to commit what waits, until nothing does. A commit that panics gives it back as
/// well; what waits then is taken by the next one.
pub(crate) struct Committer<'a> {
    waiting: &'a Waiting,
    given_back: bool,
}

impl Drop for Committer<'_> {
    fn drop(&mut self) {
        if !self.given_back {
            self.waiting.queue().commits -= 1;
        }
    }
}

impl<'a> Committer<'a> {
    /// Of who was told to begin.
    pub(crate) fn new(waiting: &'a Waiting) -> Self {
        Self { waiting, given_back: false }
    }

    /// What the next commit stores: each id once. When nothing waits the right is given back,
    /// in the same moment.
    pub(crate) fn next(&mut self) -> Option<Vec<Submission>> {
        let mut queue = self.waiting.queue();
        if queue.submissions.is_empty() {
            queue.commits -= 1;
            self.given_back = true;
            return None;
        }
        let (mut ids, mut bytes) = (HashSet::new(), 0);
        let fits = |submission: &&Submission| {
            bytes += submission.datapoint.size;
            ids.insert(submission.datapoint.id.clone()) && (ids.len() == 1 || bytes <= MOST_BYTES)
        };
        let count = queue.submissions.iter().take(MOST).take_while(fits).count();
        Some(queue.submissions.drain(..count).collect())
    }
}
