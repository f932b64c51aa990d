//! The one thread of a handle that writes. Commits that wait together form one
//! frame and share one sync.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use repo_core::strategy::{
    Applied, FeedPosition, Prepared, Purged, Record, Remnant, StoreRecord, StoreUpdate,
    SystemWrite, VersionWrite,
};
use repo_core::{
    CollectionName, CollectionSchema, EntityId, Error, ErrorKind, Result, Timestamp, Write, Written,
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
    Trim(FeedPosition, Reply<()>),
    Items(Vec<SystemWrite>, Reply<()>),
    Prepare(Vec<CollectionSchema>, Reply<Vec<Prepared>>),
    Upgrade(Reply<Option<u32>>),
    Versions(CollectionName, Vec<VersionWrite>, Reply<Vec<Applied>>),
    Purge(CollectionName, Timestamp, Reply<Purged>),
    Checkpoint(Reply<()>),
    Scrub(CollectionName, Vec<EntityId>, Reply<Vec<Remnant>>),
    /// Finishes what another process broke off, and nothing else.
    Settle(Reply<()>),
    Close(Reply<()>),
}

/// Most requests in a group.
const MOST_REQUESTS: usize = 4_096;
/// A group is closed when its documents exceed this, in bytes.
const MOST_BYTES: usize = 8 * 1_024 * 1_024;

impl Request {
    /// Whether it shares a frame with others.
    fn groups(&self) -> bool {
        matches!(
            self,
            Self::Commit(..)
                | Self::Apply(..)
                | Self::Update(..)
                | Self::Trim(..)
                | Self::Items(..)
        )
    }

    /// Whether it is decided in a batch, be it alone in it.
    fn shares_a_frame(&self) -> bool {
        self.groups() || matches!(self, Self::Purge(..) | Self::Versions(..))
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
            Self::Apply(_, reply) | Self::Versions(_, _, reply) => drop(reply.send(Err(error))),
            Self::Update(_, reply) => drop(reply.send(Err(error))),
            Self::Prepare(_, reply) => drop(reply.send(Err(error))),
            Self::Upgrade(reply) => drop(reply.send(Err(error))),
            Self::Purge(_, _, reply) => drop(reply.send(Err(error))),
            Self::Scrub(_, _, reply) => drop(reply.send(Err(error))),
            Self::Trim(_, reply)
            | Self::Items(_, reply)
            | Self::Checkpoint(reply)
            | Self::Settle(reply)
            | Self::Close(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// An answer that waits for the sync; an error takes its place.
type Answer = Box<dyn FnOnce(Option<Error>)>;

fn answer<T: 'static>(reply: Reply<T>, decided: Result<T>) -> Answer {
    Box::new(move |failed| drop(reply.send(failed.map_or(decided, Err))))
}

/// Stops the handle when the writer panics: it is not known how far it came.
struct Stop<'s>(&'s Store);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the writer panicked");
            self.0.set_writing(false);
        }
    }
}

/// Runs until the handle is closed or dropped.
pub(crate) fn run(store: &Arc<Store>, requests: &Receiver<Request>) {
    let _stop = Stop(store);
    let mut session = Session::new(Arc::clone(store));
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(first) => first,
            // The handle was dropped: what is in the journal stays there.
            None => match requests.recv() {
                Ok(first) => first,
                Err(_) => return,
            },
        };
        if let Request::Close(reply) = first {
            let closed = session.close();
            store.release();
            store.writer_ended();
            drop(reply.send(closed.or_else(only_postponed)));
            return;
        }
        let mut group = vec![first];
        gather(&mut group, &mut next, requests);
        serve(&mut session, group);
    }
}

/// A checkpoint that could not be written on close is made by the next opening;
/// every commit is in the journal. Damage is another matter.
fn only_postponed(error: Error) -> Result<()> {
    use ErrorKind::{Closed, PermissionDenied, Unavailable};
    if matches!(error.kind(), Unavailable | PermissionDenied | Closed) {
        tracing::warn!(%error, "no checkpoint on close; all commits are in the journal");
        return Ok(());
    }
    Err(error)
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
    if !group.iter().all(Request::shares_a_frame) {
        return group.into_iter().map(|request| serve_alone(session, request)).collect();
    }
    let store = Arc::clone(&session.store);
    let state = store.state();
    let mut batch = Batch::new(&store.env, &state);
    let answers: Vec<Answer> = group
        .into_iter()
        .filter_map(|request| decide(&mut batch, request, store.env.options.clock.now()))
        .collect();
    let payload = std::mem::take(&mut batch.payload);
    let frees_files = batch.frees_files;
    let records = batch.into_records();
    drop(state);
    let failed = session.write(&payload, records).err();
    if frees_files && failed.is_none() {
        session.free_files();
    }
    let ready = |answer: Answer| -> Box<dyn FnOnce()> {
        let failed = failed.as_ref().map(crate::errors::repeat);
        Box::new(move || answer(failed))
    };
    answers.into_iter().map(ready).collect()
}

/// Puts what a request changes into the batch. `None` for one that has no
/// place in a batch.
fn decide(batch: &mut Batch<'_>, request: Request, now: Timestamp) -> Option<Answer> {
    Some(match request {
        Request::Commit(writes, reply) => answer(reply, batch.commit(writes, now)),
        Request::Apply(records, reply) => answer(reply, batch.apply(records)),
        Request::Update(update, reply) => answer(reply, batch.update(update)),
        Request::Items(writes, reply) => answer(reply, batch.write_items(writes)),
        Request::Trim(through, reply) => answer(reply, batch.trim(&through)),
        Request::Purge(name, older, reply) => answer(reply, batch.purge(&name, older)),
        Request::Versions(name, writes, reply) => {
            answer(reply, batch.write_versions(&name, &writes))
        }
        Request::Prepare(..)
        | Request::Upgrade(_)
        | Request::Checkpoint(_)
        | Request::Scrub(..)
        | Request::Settle(_)
        | Request::Close(_) => return None,
    })
}

/// Serves what writes more than a frame.
fn serve_alone(session: &mut Session, request: Request) -> Box<dyn FnOnce()> {
    match request {
        Request::Prepare(schemas, reply) => {
            let prepared = session.prepare(&schemas);
            Box::new(move || drop(reply.send(prepared)))
        }
        Request::Upgrade(reply) => {
            let upgraded = session.upgrade();
            Box::new(move || drop(reply.send(upgraded)))
        }
        Request::Checkpoint(reply) => {
            let done = session.checkpoint();
            Box::new(move || drop(reply.send(done)))
        }
        Request::Scrub(name, ids, reply) => {
            let done = session.scrub(&name, &ids);
            Box::new(move || drop(reply.send(done)))
        }
        // The lock was taken for it, and that is all.
        Request::Settle(reply) => Box::new(move || drop(reply.send(Ok(())))),
        // Nothing else is served alone; its caller gets the error that nothing was done.
        other => Box::new(move || drop(other)),
    }
}
