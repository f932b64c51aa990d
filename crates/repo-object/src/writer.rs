//! Serving what waits: decide, add a frame, make it visible, answer.
//!
//! A group is decided on the state as the handle has it. If its frame gets the number behind
//! that state, nobody wrote in between, and everything that was decided holds, what was
//! refused too. Otherwise the state catches up, and all of it is decided again. A group that
//! changes nothing holds if a look at the end of the log finds nothing new.

use std::sync::{Arc, Mutex, PoisonError};

use repo_core::{Document, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::batch::Batch;
use crate::checkpoint;
use crate::errors;
use crate::format::{Op, encode_frame};
use crate::hex::Hex16;
use crate::put::Put;
use crate::queue::Queue;
use crate::request::{Answer, Asked, Request};
use crate::store::Store;

/// How often a group is decided before its requests are told that others are faster.
const TRIES: usize = 64;

/// The writer of a handle: who serves its requests runs while there are any.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<Store>,
    queue: Queue,
    /// Held by who serves.
    serving: tokio::sync::Mutex<()>,
    /// A checkpoint that is being made beside.
    checkpoint: Mutex<Option<JoinHandle<()>>>,
}

/// Refuses what waits when the task that serves is ended from outside.
struct Abandon(Arc<Writer>, bool);

impl Drop for Abandon {
    fn drop(&mut self) {
        if self.1 {
            let location = &self.0.store.env.location;
            for request in self.0.queue.abandon() {
                let error = errors::interrupted("write", location);
                // Nobody may wait for it any more.
                drop(request.reply.send(Err(error)));
            }
        }
    }
}

impl Writer {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            queue: Queue::default(),
            serving: tokio::sync::Mutex::default(),
            checkpoint: Mutex::default(),
        }
    }

    /// Asks for a frame and waits for the answer. A caller that does not wait to the end
    /// leaves it to the store whether it is written.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        operation: &'static str,
        asked: Asked,
    ) -> Result<Answer> {
        self.store.check_writable(operation)?;
        let location = &self.store.env.location;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| errors::no_runtime(operation, location))?;
        let (reply, answer) = oneshot::channel();
        if self.queue.push(Request { asked, reply }) {
            runtime.spawn(Arc::clone(self).serve());
        }
        answer.await.map_err(|_| errors::unanswered(operation, location))?
    }

    /// Serves until nothing waits.
    async fn serve(self: Arc<Self>) {
        let mut guard = Abandon(Arc::clone(&self), true);
        loop {
            // Who was answered just now, and writes again, gets into this group too.
            tokio::task::yield_now().await;
            let turn = self.serving.lock().await;
            let Some(group) = self.queue.take() else { break };
            self.serve_group(group).await;
            drop(turn);
            self.begin_checkpoint();
        }
        guard.1 = false;
    }

    /// Begins a checkpoint, where one is due and none is being made.
    fn begin_checkpoint(&self) {
        if !checkpoint::is_due(&self.store) {
            return;
        }
        let mut job = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        if job.as_ref().is_none_or(JoinHandle::is_finished) {
            let store = Arc::clone(&self.store);
            *job = Some(tokio::spawn(async move { checkpoint::when_due(&store).await }));
        }
    }

    /// Waits for the group that is being served, refuses what waits behind it, and waits for
    /// the checkpoint that is being made: a program that writes once and ends makes its own.
    pub(crate) async fn close(&self) {
        let turn = self.serving.lock().await;
        for request in self.queue.abandon() {
            let closed = self.store.check_open("write").err();
            let error =
                closed.unwrap_or_else(|| errors::interrupted("write", &self.store.env.location));
            drop(request.reply.send(Err(error)));
        }
        drop(turn);
        let job = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job
            && let Err(error) = job.await
        {
            tracing::warn!(store = %self.store.env.location, %error, "a checkpoint was broken off");
        }
    }

    async fn serve_group(&self, group: Vec<Request>) {
        let asked: Vec<&Asked> = group.iter().map(|request| &request.asked).collect();
        let answers = self.store.write(&asked).await;
        drop(asked);
        match answers {
            Ok(answers) => {
                for (request, answer) in group.into_iter().zip(answers) {
                    drop(request.reply.send(answer));
                }
            }
            Err(error) => {
                for request in group {
                    drop(request.reply.send(Err(errors::repeat(&error))));
                }
            }
        }
    }
}

/// What was decided on a state.
struct Decided {
    /// The last frame that was in the state, and its commit.
    position: u64,
    after: Hex16,
    ops: Vec<(Op, Option<Document>)>,
    answers: Vec<Result<Answer>>,
}

impl Store {
    /// Writes a group, and gives the answers of its requests in their order.
    async fn write(&self, asked: &[&Asked]) -> Result<Vec<Result<Answer>>> {
        for _ in 0..TRIES {
            self.check_open("write")?;
            if self.is_stale() {
                self.catch_up("write").await?;
            }
            let Decided { position, after, ops, answers } = self.decide(asked);
            if ops.is_empty() {
                self.catch_up("write").await?;
                if self.state().position == position {
                    return Ok(answers);
                }
                continue;
            }
            let commit = Hex16::random()?;
            let (bytes, frame) = encode_frame(position + 1, (commit, after), ops)?;
            let look = self.probe.begin();
            match self.put(frame.number, commit, bytes.clone()).await? {
                Put::Taken => self.catch_up("write").await?,
                Put::Done => {
                    self.apply(&frame, &bytes)?;
                    self.state_mut().fresh = look.began();
                    self.probe.end(look);
                    return Ok(answers);
                }
            }
        }
        Err(errors::outrun("write", &self.env.location))
    }

    fn decide(&self, asked: &[&Asked]) -> Decided {
        let state = self.state();
        let mut batch = Batch::new(&self.env, &state);
        let answers = asked.iter().map(|asked| self.answer(&mut batch, asked)).collect();
        let (position, after) = (state.position, state.commit);
        Decided { position, after, ops: batch.into_ops(), answers }
    }

    /// Decides one request. On an error nothing of it is in the batch.
    fn answer(&self, batch: &mut Batch<'_>, asked: &Asked) -> Result<Answer> {
        let now = self.env.options.clock.now();
        Ok(match asked {
            Asked::Commit(writes) => Answer::Written(batch.commit(writes, now)?),
            Asked::Apply(records) => Answer::Applied(batch.apply(records)?),
            Asked::Update(update) => Answer::Record(Box::new(batch.update((**update).clone())?)),
            Asked::Prepare(schemas, id) => Answer::Prepared(batch.prepare(schemas, *id)?),
            Asked::Versions(name, writes) => Answer::Applied(batch.write_versions(name, writes)?),
            Asked::Purge(name, older_than) => Answer::Purged(batch.purge(name, *older_than)?),
            Asked::Trim(through) => {
                batch.trim(through)?;
                Answer::Done
            }
            Asked::Items(writes) => {
                batch.write_items(writes)?;
                Answer::Done
            }
            Asked::Frame => {
                batch.nothing();
                Answer::Done
            }
        })
    }
}
