//! Values that are submitted at the same time are stored by one commit, in which the counters
//! of their owners are read and written once. Who is refused there is stored, or refused, by a
//! commit of its own; so nobody meets what is against another one.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repo_core::{Attribution, Document, ErrorKind, Precondition, Result, Version, Write, Written};
use tokio::sync::oneshot;

use crate::model::Datapoint;
use crate::records::{Versioned, key};
use crate::service::DataService;
use crate::usage::{Place, Tally, added};

/// Most values of one commit. With a counter for the owner of each it is still one that every
/// store takes.
const MOST: usize = 48;
/// Most bytes of values of one commit: well below the 4 MB that DynamoDB takes.
const MOST_BYTES: u64 = 1 << 20;
/// How many commits are under way: while one waits for the disk, the next is made ready.
const MOST_COMMITS: usize = 2;
/// How often a commit is tried when somebody else changes its counters.
const TRIES: usize = 3;

/// What waits to be stored.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    submissions: VecDeque<Submission>,
    commits: usize,
}

#[derive(Debug)]
struct Submission {
    datapoint: Arc<Datapoint>,
    by: Option<Arc<Attribution>>,
    /// Receives its version, or nothing when it is to be stored alone.
    stored: oneshot::Sender<Option<Version>>,
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to begin to commit.
    fn add(&self, submission: Submission) -> bool {
        let mut queue = self.queue();
        queue.submissions.push_back(submission);
        let begin = queue.commits < MOST_COMMITS;
        queue.commits += usize::from(begin);
        begin
    }
}

/// The right to commit what waits, until nothing does. A commit that panics gives it back as
/// well; what waits then is taken by the next one.
struct Committer<'a> {
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

impl Committer<'_> {
    /// What the next commit stores: each id once. When nothing waits the right is given back,
    /// in the same moment.
    fn next(&mut self) -> Option<Vec<Submission>> {
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

impl DataService {
    /// Stores a new value together with the others that are submitted now; gives it back when
    /// it has to be stored alone.
    pub(super) async fn store_together(
        &self,
        datapoint: Datapoint,
    ) -> std::result::Result<Versioned<Datapoint>, Datapoint> {
        let (stored, version) = oneshot::channel();
        let datapoint = Arc::new(datapoint);
        let by = self.attribution().cloned().map(Arc::new);
        let submission = Submission { datapoint: Arc::clone(&datapoint), by, stored };
        if self.waiting().add(submission) {
            // A task of its own: a caller that gives up takes nobody else with it.
            tokio::spawn(commit_all(self.clone()));
        }
        let version = version.await.ok().flatten();
        let value = Arc::unwrap_or_clone(datapoint);
        match version {
            Some(version) => Ok(Versioned { value, version }),
            None => Err(value),
        }
    }

    /// One commit of all, tried again when counters changed in between.
    async fn commit_together(&self, batch: &[Submission]) -> Result<Vec<Option<Version>>> {
        let mut tries = 1;
        loop {
            self.options().hooks.alive()?;
            match self.strategy().commit(self.writes_of(batch).await?).await {
                Ok(written) => {
                    return Ok(written
                        .into_iter()
                        .take(batch.len())
                        .map(Written::version)
                        .collect());
                }
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The datapoints in their order, then the counters.
    async fn writes_of(&self, batch: &[Submission]) -> Result<Vec<Write>> {
        let mut writes = Vec::with_capacity(batch.len() + 1);
        let mut tally = Tally::default();
        for Submission { datapoint, by, .. } in batch {
            let place = Place { owner: &datapoint.owner, dataset: None, store: None };
            tally.add(place, added(datapoint.size, 0, 1));
            let key = key::<Datapoint>(datapoint.id.as_str())?;
            let document = Document::from_serialize(&**datapoint)?;
            let write = Write::put(key, document, Precondition::Absent);
            writes.push(write.attributed_to(by.clone()));
        }
        let by = batch.first().and_then(|first| first.by.clone());
        let counters = tally.writes(&**self.strategy(), self.turn()).await?;
        writes.extend(counters.into_iter().map(|write| write.attributed_to(by.clone())));
        Ok(writes)
    }
}

async fn commit_all(service: DataService) {
    let mut committer = Committer { waiting: service.waiting(), given_back: false };
    while let Some(batch) = committer.next() {
        let versions = service.commit_together(&batch).await;
        // What is against one of them comes again when that one is stored alone.
        let versions = versions.unwrap_or_else(|_| vec![None; batch.len()]);
        for (submission, version) in batch.into_iter().zip(versions) {
            // Who does not wait any more has given up.
            submission.stored.send(version).ok();
        }
    }
}
