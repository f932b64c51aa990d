//! Reads by key: from what is kept, from a read that is under way, or from the store.

use std::sync::Arc;

use futures_util::FutureExt as _;
use repo_core::strategy::{Record, within};
use repo_core::{CollectionName, Consistency, EntityId, Error, ErrorKind, Key, Result};
use tokio::sync::oneshot;

use super::entries::{Boarding, Entries, Found};
use super::entry::{Begun, MostAge};
use super::shared_error::own;
use super::under_way::{Answer, Failed, SharedRead};
use crate::Inner;

/// What a call asks for, and what it has so far.
struct Call<'a> {
    entries: &'a Arc<Entries>,
    inner: &'a Inner,
    collection: &'a CollectionName,
    ids: &'a [EntityId],
    begun: Begun,
    most_age: MostAge,
    /// In the order of the ids.
    answers: Vec<Option<Record>>,
}

/// The places of ids in a call, by how they are found.
#[derive(Default)]
struct Boarded {
    /// Those that the call itself reads.
    own: Vec<usize>,
    /// Those that are being read already: by which read, and where in it.
    others: Vec<(usize, SharedRead, usize)>,
}

/// The records of `ids` in their order, with at most one read of the store for those that
/// nobody knows and nobody reads, and one more if another one's read of several keys
/// failed.
pub(super) async fn get_many(
    entries: &Arc<Entries>,
    inner: &Inner,
    collection: &CollectionName,
    ids: &[EntityId],
    most_age: MostAge,
) -> Result<Vec<Option<Record>>> {
    let begun = entries.begin();
    let answers = vec![None; ids.len()];
    let mut call = Call { entries, inner, collection, ids, begun, most_age, answers };
    let missing = call.take_kept();
    if missing.is_empty() {
        call.count(0, 0);
        return Ok(call.answers);
    }
    let (departs, departure) = oneshot::channel();
    let (entries, inner) = (Arc::clone(entries), Arc::clone(inner));
    // Whoever polls it, it is of the level of this call.
    let level = (most_age == MostAge::Strong).then_some(Consistency::Strong);
    let read = run(entries, inner, collection.clone(), begun, departure);
    let read = within(level, read).boxed().shared();
    let (keys, boarded) = call.board(&missing, &read);
    call.count(boarded.own.len(), boarded.others.len());
    if !keys.is_empty() {
        // Who receives them is `read`, which is here.
        let _ = departs.send(keys);
        call.take_own(&boarded.own, read).await?;
    }
    call.take_others(boarded.others).await?;
    Ok(call.answers)
}

impl Call<'_> {
    fn key(&self, at: usize) -> Key {
        Key::new(self.collection.clone(), self.ids[at].clone())
    }

    /// Answers what is kept, and gives the places of the rest.
    fn take_kept(&mut self) -> Vec<usize> {
        if self.most_age == MostAge::Strong {
            return (0..self.ids.len()).collect();
        }
        let mut missing = Vec::new();
        for at in 0..self.ids.len() {
            match self.entries.find(&self.key(at), self.begun, self.most_age) {
                Some(entry) => self.answers[at].clone_from(&entry.record),
                None => missing.push(at),
            }
        }
        missing
    }

    /// Finds out who reads what is missing; gives the keys that `read` is to read.
    fn board(&mut self, missing: &[usize], read: &SharedRead) -> (Vec<Key>, Boarded) {
        let (mut keys, mut boarded) = (Vec::new(), Boarded::default());
        for &at in missing {
            let key = self.key(at);
            match self.entries.board(&key, self.begun, (read, keys.len()), self.most_age) {
                Boarding::Kept(entry) => self.answers[at].clone_from(&entry.record),
                Boarding::Wait(read, place) => boarded.others.push((at, read, place)),
                Boarding::Read => {
                    boarded.own.push(at);
                    keys.push(key);
                }
            }
        }
        (keys, boarded)
    }

    fn count(&self, misses: usize, waits: usize) {
        let hits = self.ids.len() - misses - waits;
        self.entries.count(Found { hits, misses, waits });
        #[cfg(feature = "metrics")]
        crate::metric::count_cached(self.inner, [("hit", hits), ("miss", misses), ("wait", waits)]);
    }

    async fn take_own(&mut self, places: &[usize], read: SharedRead) -> Result<()> {
        let records = read.await.map_err(|failed| own(failed.error))?;
        for (&at, record) in places.iter().zip(records.iter()) {
            self.answers[at].clone_from(record);
        }
        Ok(())
    }

    async fn take_others(&mut self, others: Vec<(usize, SharedRead, usize)>) -> Result<()> {
        let mut again = Vec::new();
        for (at, read, place) in others {
            match read.await {
                Ok(records) => self.answers[at] = records.get(place).cloned().flatten(),
                Err(failed) if failed.of_one_key => return Err(own(failed.error)),
                // It may be about a key that nobody here asked for.
                Err(_) => again.push(at),
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        let ids: Vec<EntityId> = again.iter().map(|&at| self.ids[at].clone()).collect();
        let records = self.inner.get_many(self.collection, &ids).await?;
        for (at, record) in again.into_iter().zip(complete(records, ids.len())?) {
            self.answers[at] = record;
        }
        Ok(())
    }
}

/// Reads the keys that are given, keeps what may be kept, and answers all who wait.
async fn run(
    entries: Arc<Entries>,
    inner: Inner,
    collection: CollectionName,
    begun: Begun,
    departure: oneshot::Receiver<Vec<Key>>,
) -> Answer {
    let Ok(keys) = departure.await else { return Err(failed(given_up(), true)) };
    let ids: Vec<EntityId> = keys.iter().map(|key| key.id.clone()).collect();
    let mut noted = Noted { entries: &entries, keys: &keys, begun };
    let read = inner.get_many(&collection, &ids).await;
    match read.and_then(|records| complete(records, ids.len())) {
        Ok(records) => {
            for (key, record) in keys.iter().zip(&records) {
                entries.land(key, begun, record.as_ref());
            }
            noted.keys = &[];
            entries.settle();
            Ok(records.into())
        }
        Err(error) => Err(failed(error, keys.len() == 1)),
    }
}

/// Keys with which a read is noted, until it ends or everybody gives it up.
struct Noted<'a> {
    entries: &'a Entries,
    keys: &'a [Key],
    begun: Begun,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        for key in self.keys {
            self.entries.give_up(key, self.begun);
        }
    }
}

fn failed(error: Error, of_one_key: bool) -> Failed {
    Failed { error: Arc::new(error), of_one_key }
}

fn given_up() -> Error {
    let why = "the read that this one waited for was given up before it began";
    Error::new(ErrorKind::Unavailable, "get_many", why)
}

fn complete(records: Vec<Option<Record>>, asked: usize) -> Result<Vec<Option<Record>>> {
    if records.len() == asked {
        return Ok(records);
    }
    let why = "the store answered for another number of ids than asked";
    Err(Error::new(ErrorKind::Corrupt, "get_many", why)
        .with("asked", asked)
        .with("answered", records.len()))
}
