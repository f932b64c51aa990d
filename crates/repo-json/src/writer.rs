//! The one thread of a handle that writes. Commits that wait together form one
//! frame and share one sync.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use repo_core::{
    Applied, CollectionName, CollectionSchema, Error, Prepared, Purged, Record, Result,
    StoreRecord, StoreUpdate, Timestamp, Write, Written,
};
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::session::Session;
use crate::store::Store;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked for.
pub(crate) enum Request {
    Commit(Vec<Write>, Reply<Vec<Written>>),
    Apply(Vec<Record>, Reply<Vec<Applied>>),
    Update(StoreUpdate, Reply<StoreRecord>),
    Prepare(Vec<CollectionSchema>, Reply<Vec<Prepared>>),
    Purge(CollectionName, Timestamp, Reply<Purged>),
    Checkpoint(Reply<()>),
    Close(Reply<()>),
}

/// Most requests in a group.
const MOST_REQUESTS: usize = 4_096;
/// A group is closed when its documents exceed this, in bytes.
const MOST_BYTES: usize = 8 * 1_024 * 1_024;
/// How long a thread that has nothing to do waits at a time.
const IDLE: Duration = Duration::from_secs(3_600);

impl Request {
    /// Whether it shares a frame with others.
    fn groups(&self) -> bool {
        matches!(self, Self::Commit(..) | Self::Apply(..) | Self::Update(..))
    }

    fn bytes(&self) -> usize {
        let document = |write: &Write| match &write.change {
            repo_core::Change::Put(document) => document.as_str().len(),
            _ => 0,
        };
        match self {
            Self::Commit(writes, _) => writes.iter().map(document).sum(),
            Self::Apply(records, _) => {
                records.iter().filter_map(Record::document).map(|d| d.as_str().len()).sum()
            }
            _ => 0,
        }
    }

    /// Answers with an error.
    fn refuse(self, error: Error) {
        // Nobody waits for an answer any more: the future was dropped.
        match self {
            Self::Commit(_, reply) => drop(reply.send(Err(error))),
            Self::Apply(_, reply) => drop(reply.send(Err(error))),
            Self::Update(_, reply) => drop(reply.send(Err(error))),
            Self::Prepare(_, reply) => drop(reply.send(Err(error))),
            Self::Purge(_, _, reply) => drop(reply.send(Err(error))),
            Self::Checkpoint(reply) | Self::Close(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// An answer that waits for the sync; an error takes its place.
type Answer = Box<dyn FnOnce(Option<Error>)>;

fn answer<T: 'static>(reply: Reply<T>, decided: Result<T>) -> Answer {
    Box::new(move |failed| drop(reply.send(failed.map_or(decided, Err))))
}

/// Runs until the handle is closed or dropped.
pub(crate) fn run(store: &Arc<Store>, requests: &Receiver<Request>) {
    let mut session = Session::new(Arc::clone(store));
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(first) => first,
            None => match requests.recv_timeout(IDLE) {
                Ok(first) => first,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => continue,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            },
        };
        if let Request::Close(reply) = first {
            let closed = session.close();
            store.release();
            drop(reply.send(closed));
            return;
        }
        let mut group = vec![first];
        gather(&mut group, &mut next, requests);
        serve(&mut session, group);
    }
}

/// Adds what waits already, as long as it may share the frame.
fn gather(group: &mut Vec<Request>, next: &mut Option<Request>, requests: &Receiver<Request>) {
    let mut bytes: usize = group.iter().map(Request::bytes).sum();
    while group.iter().all(Request::groups) && group.len() < MOST_REQUESTS && bytes < MOST_BYTES {
        let Ok(request) = requests.try_recv() else { return };
        if !request.groups() {
            *next = Some(request);
            return;
        }
        bytes += request.bytes();
        group.push(request);
    }
}

/// Serves one group.
fn serve(session: &mut Session, group: Vec<Request>) {
    if let Err(error) = session.begin() {
        session.end();
        group.into_iter().for_each(|request| request.refuse(crate::errors::repeat(&error)));
        return;
    }
    write_group(session, group).into_iter().for_each(|answer| answer());
    session.checkpoint_if_due();
    session.end();
}

/// Decides, writes, syncs and makes visible. The answers are ready to go.
fn write_group(session: &mut Session, group: Vec<Request>) -> Vec<Box<dyn FnOnce()>> {
    let store = Arc::clone(&session.store);
    let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
    let mut late: Vec<Box<dyn FnOnce()>> = Vec::new();
    let state = store.state();
    let mut batch = Batch::new(&store.env, &state);
    let mut alone = None;
    for request in group {
        match request {
            Request::Commit(writes, reply) => {
                let now = store.env.options.clock.now();
                answers.push(answer(reply, batch.commit(writes, now)));
            }
            Request::Apply(records, reply) => answers.push(answer(reply, batch.apply(records))),
            Request::Update(update, reply) => answers.push(answer(reply, batch.update(update))),
            Request::Purge(name, older_than, reply) => {
                answers.push(answer(reply, batch.purge(&name, older_than)));
            }
            other => alone = Some(other),
        }
    }
    let payload = std::mem::take(&mut batch.payload);
    let records = batch.into_records();
    drop(state);
    match alone {
        Some(Request::Prepare(schemas, reply)) => {
            let prepared = session.prepare(&schemas);
            late.push(Box::new(move || drop(reply.send(prepared))));
        }
        Some(Request::Checkpoint(reply)) => {
            let done = session.checkpoint();
            late.push(Box::new(move || drop(reply.send(done))));
        }
        _ => {}
    }
    let failed = session.write(&payload, records).err();
    for answer in answers {
        let failed = failed.as_ref().map(crate::errors::repeat);
        late.push(Box::new(move || answer(failed)));
    }
    late
}
