//! `apply` into collections that are being loaded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Applied, Record};
use repo_core::{Error, ErrorKind, Result};

use crate::errors::is_over;
use crate::item::{check_size, item_of};
use crate::layout::Layout;
use crate::load::lock::locked;
use crate::load::session::{Session, UnderWay};
use crate::retry::backoff;
use crate::shared::Shared;

/// Most items of one request (Amazon DynamoDB API Reference).
const MOST_ITEMS: usize = 25;
/// Most bytes of one request, by the size of items: a request of 16 MB is
/// accepted, in a form that is longer than what is stored.
const MOST_BYTES: usize = 4 * 1_024 * 1_024;
/// Requests under way at the same time for one call.
const REQUESTS_AT_ONCE: usize = 16;

type Placed = (usize, Record);

/// What goes into one request.
#[derive(Debug, Default)]
struct Batch {
    records: Vec<(Arc<Layout>, Record)>,
    bytes: usize,
}

/// The items of a request, by table.
type Puts = HashMap<String, Vec<WriteRequest>>;

/// A request under way. One that is given up without an answer is noted.
struct Attempt<'a> {
    session: &'a Session,
    answered: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.note_unanswered();
        }
    }
}

impl Shared {
    /// Writes each record whose version is higher than the stored one.
    pub(crate) async fn apply(self: &Arc<Self>, records: Vec<Record>) -> Result<Vec<Applied>> {
        let mut answers = vec![Applied::Applied; records.len()];
        let records: Vec<Placed> = records.into_iter().enumerate().collect();
        let others = match self.session.get() {
            None => records,
            Some(session) => self.load(Arc::clone(session), records).await?,
        };
        for (at, answer) in self.apply_each(others).await? {
            answers[at] = answer;
        }
        Ok(answers)
    }

    /// Writes what is of collections that are being loaded and comes for the
    /// first time; gives back what has to be written conditionally.
    async fn load(
        self: &Arc<Self>,
        session: Arc<Session>,
        records: Vec<Placed>,
    ) -> Result<Vec<Placed>> {
        let names = locked(&session.names).clone();
        let (loads, mut others): (Vec<Placed>, Vec<Placed>) =
            records.into_iter().partition(|(_, record)| names.contains(record.collection()));
        if loads.is_empty() {
            return Ok(others);
        }
        // Everything is checked before anything is written.
        for (_, record) in &others {
            self.check_record(&*self.table("apply", record.collection()).await?, record)?;
        }
        let open: UnderWay = Arc::new(Arc::clone(&session.open).read_owned().await);
        let (loads, ended): (Vec<Placed>, Vec<Placed>) = loads
            .into_iter()
            .partition(|(_, record)| open.layouts.contains_key(record.collection()));
        others.extend(ended);
        let sizes = self.check_loads(&open, &loads)?;
        let (batches, repeated) = batches(&open, loads, &sizes);
        let sent = self.send_batches(&session, &open, batches).await;
        drop(open);
        if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::Locked) {
            self.let_go().await;
        }
        sent?;
        if !repeated.is_empty() {
            // Nothing unconditional may come after what is conditional.
            let open = session.open.write().await;
            self.wait_for_the_lost("apply", &session, &open).await?;
        }
        others.extend(repeated);
        Ok(others)
    }

    fn check_loads(&self, open: &UnderWay, loads: &[Placed]) -> Result<Vec<usize>> {
        let most = self.options.max_entity_bytes;
        let size = |(_, record): &Placed| match (open.layouts.get(record.collection()), record) {
            (Some(layout), Record::Live(entity)) => {
                layout.schema.check_document(&entity.id, &entity.document, most)?;
                check_size("apply", layout, &entity.id, &entity.document)
            }
            _ => Ok(0),
        };
        loads.iter().map(size).collect()
    }

    async fn send_batches(
        self: &Arc<Self>,
        session: &Arc<Session>,
        open: &UnderWay,
        batches: Vec<Batch>,
    ) -> Result<()> {
        // Tasks of their own: each comes to its end, also when the caller
        // gives up, so that a close need not leave the load open.
        let tasks = batches.into_iter().map(|batch| {
            let (shared, session, open) = (Arc::clone(self), Arc::clone(session), Arc::clone(open));
            tokio::spawn(async move { shared.send_batch(&session, &open, batch).await })
        });
        stream::iter(tasks)
            .buffer_unordered(REQUESTS_AT_ONCE)
            .map(|done| match done {
                Ok(done) => done,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => {
                    let what = "the program ended before the work was done";
                    Err(Error::new(ErrorKind::Unavailable, "apply", what).caused_by(error))
                }
            })
            .try_collect()
            .await
    }

    /// Sends one batch until all of it is written. Whatever is left
    /// unprocessed is sent again, after a while.
    async fn send_batch(&self, session: &Session, open: &UnderWay, batch: Batch) -> Result<()> {
        let scene = self.repeatable("apply", &self.location);
        let mut left: Option<Puts> = None;
        let start = Instant::now();
        let mut delays = backon::BackoffBuilder::build(backoff(self.patience));
        loop {
            let puts = match left.take() {
                Some(left) => left,
                None => batch.puts().map_err(|source| scene.malformed(source))?,
            };
            self.renew(session, open).await?;
            let mut attempt = Attempt { session, answered: false };
            let sent = session.client.batch_write_item().set_request_items(Some(puts)).send().await;
            attempt.answered = sent.as_ref().err().is_none_or(is_over);
            drop(attempt);
            let failure = match sent {
                Ok(answer) => {
                    let unprocessed = answer.unprocessed_items.unwrap_or_default();
                    if unprocessed.is_empty() {
                        return Ok(());
                    }
                    left = Some(unprocessed);
                    scene.later("DynamoDB leaves items unprocessed")
                }
                Err(error) => scene.failure(&error),
            };
            let patient = failure.again && start.elapsed() < self.patience;
            match delays.next().filter(|_| patient) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(failure.error),
            }
        }
    }
}

impl Batch {
    fn puts(&self) -> Result<Puts, aws_sdk_dynamodb::error::BuildError> {
        let mut puts = Puts::new();
        for (layout, record) in &self.records {
            let put = PutRequest::builder().set_item(Some(item_of(layout, record))).build()?;
            let put = WriteRequest::builder().put_request(put).build();
            match puts.get_mut(&layout.table) {
                Some(puts) => puts.push(put),
                None => drop(puts.insert(layout.table.clone(), vec![put])),
            }
        }
        Ok(puts)
    }
}

/// The records in batches, and those whose key came before.
fn batches(open: &UnderWay, loads: Vec<Placed>, sizes: &[usize]) -> (Vec<Batch>, Vec<Placed>) {
    let (mut batches, mut repeated) = (vec![Batch::default()], Vec::new());
    for ((at, record), bytes) in loads.into_iter().zip(sizes) {
        let layout = open.layouts.get(record.collection());
        let Some(layout) = layout.filter(|_| !open.remember(&record.key())) else {
            repeated.push((at, record));
            continue;
        };
        let full = batches.last().is_none_or(|batch| {
            batch.records.len() >= MOST_ITEMS || batch.bytes + bytes > MOST_BYTES
        });
        if full {
            batches.push(Batch::default());
        }
        if let Some(batch) = batches.last_mut() {
            batch.bytes += bytes;
            batch.records.push((Arc::clone(layout), record));
        }
    }
    batches.retain(|batch| !batch.records.is_empty());
    (batches, repeated)
}
