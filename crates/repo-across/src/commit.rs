//! Committing in both stores.

use std::collections::{BTreeMap, HashMap};

use repo_core::strategy::{Record, strong_reads};
use repo_core::{
    Change, CollectionName, EntityId, Error, ErrorKind, Precondition, Result, Version, Write,
    Written,
};
use tokio::time::sleep;

use crate::across::Across;
use crate::hooks::Step;
use crate::intent_id::IntentId;
use crate::keys::marker_key;
use crate::limits::{check_commit, check_intent, check_request};
use crate::pauses;
use crate::plan::Seen;
use crate::refusals::{
    COMMIT, ended_elsewhere, names_preconditions, overtaken, pending, stuck, taken_back,
};
use crate::settle::{Settled, Trail};
use crate::stored::{Intent, IntentState, Known, Marker, MarkerState, StoredWrite};
use crate::undo::{Present, draft};

/// What a commit in two stores answers: both have their writes, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The answers of the first store, in the order of its writes; `None` when they were lost,
    /// and the intent that was found there says that the writes are.
    pub first: Option<Vec<Written>>,
    /// The answers of the second store, in the order of its writes; `None` when they were lost
    /// or given to another process, and the marker says that the writes are there.
    pub second: Option<Vec<Written>>,
}

/// What the caller wants.
struct Request {
    id: IntentId,
    first: Vec<Write>,
    second: Vec<Write>,
}

/// A commit of the first store that records the intent.
struct Drafted {
    intent: Intent,
    writes: Vec<Write>,
}

/// The same, done.
struct Recorded {
    intent: Known<Intent>,
    written: Option<Vec<Written>>,
}

impl Across {
    /// Does all writes in both stores, or none in either.
    ///
    /// When it returns a value, the writes of both are durable. Between the two commits others
    /// see those of the first store without those of the second, and so they may when the
    /// first ones are taken back: it is atomic in the end, and not isolated. Writes that are
    /// taken back are new versions, not absent ones.
    ///
    /// Each store checks the preconditions of its own writes, at its own moment. A write of
    /// the first store is bound to what it replaces, so `any` may be tried several times.
    ///
    /// Dropping the future leaves the commit at any step, as a crash does.
    ///
    /// # Errors
    /// - With nothing changed in either: `AlreadyExists`, `NotFound`, `Conflict` for
    ///   preconditions of the first store; `Invalid` when one of the lists is empty or writes
    ///   to a collection of the engine; `LimitExceeded` when one of the commits would be too
    ///   large with the intent or the marker, known before anything is written; `Unavailable`.
    /// - With the first store's writes taken back: `AlreadyExists`, `NotFound`, `Conflict` for
    ///   preconditions of the second store, and whatever else it refuses for good;
    ///   `Unavailable` when another process found that out.
    /// - `OutcomeUnknown` otherwise: the intent named in the context is recorded or may be.
    ///   [`recover`](Self::recover) completes it or takes it back; or it is in
    ///   [`list`](Self::list), for an operator.
    pub async fn commit(&self, first: Vec<Write>, second: Vec<Write>) -> Result<Committed> {
        strong_reads(self.commit_both(first, second)).await
    }

    async fn commit_both(&self, first: Vec<Write>, second: Vec<Write>) -> Result<Committed> {
        self.hooks.alive()?;
        check_request(&first, &second)?;
        let request = Request { id: IntentId::random()?, first, second };
        let drafted = self.draft(&request).await?;
        let (marker, reserved) = self.reserve(&drafted.intent, &request).await?;
        let recorded = match self.record(&request, drafted).await {
            Ok(recorded) => recorded,
            Err(error) => {
                // It may still arrive, and then the reservation is needed.
                if error.kind() != ErrorKind::OutcomeUnknown {
                    self.remove_marker(request.id).await;
                }
                return Err(error);
            }
        };
        self.hooks.step(Step::Recorded)?;
        let marker = Some(Known { version: reserved, value: marker });
        let seen = Seen { intent: Some(recorded.intent), marker };
        let mut trail = Trail::default();
        let settled = self.settle(request.id, Some(seen), &mut trail).await;
        // What has ended needs no marker any more. One that stays is removed by `recover`.
        if matches!(settled, Ok(Settled::Completed | Settled::Compensated)) {
            self.remove_marker(request.id).await;
        }
        if trail.done {
            return Ok(Committed { first: recorded.written, second: trail.applied });
        }
        Err(answer(request.id, settled, trail))
    }

    /// Reads what the first store holds, and drafts its commit from that.
    async fn draft(&self, request: &Request) -> Result<Drafted> {
        let drafted = draft(&request.first, &self.present(&request.first).await?)?;
        let intent = Intent {
            id: request.id,
            second: self.second_id,
            attempt: 1,
            since: self.clock.now(),
            state: IntentState::Pending,
            writes: request.second.iter().map(StoredWrite::of).collect(),
            undo: drafted.undo,
        };
        let put = intent.put(Precondition::Absent)?;
        check_intent(&*self.first, &put)?;
        let mut writes = drafted.writes;
        writes.push(put);
        check_commit(&*self.first, &writes)?;
        Ok(Drafted { intent, writes })
    }

    /// By one request for each collection, and one more where a record is missing.
    async fn present(&self, writes: &[Write]) -> Result<Present> {
        let mut ids: BTreeMap<&CollectionName, Vec<EntityId>> = BTreeMap::new();
        for write in writes {
            ids.entry(&write.key.collection).or_default().push(write.key.id.clone());
        }
        let mut records = HashMap::with_capacity(writes.len());
        for (collection, ids) in ids {
            let found = self.first.get_many(collection, &ids).await?;
            records
                .extend(found.into_iter().flatten().map(|record: Record| (record.key(), record)));
        }
        let mut present = Present { records, floors: BTreeMap::new() };
        let makes_one = |write: &Write| {
            matches!(write.change, Change::Put(_)) && !present.records.contains_key(&write.key)
        };
        if writes.iter().any(makes_one) {
            let collections = self.first.store_record().await?.collections;
            present.floors = collections.into_iter().map(|(name, it)| (name, it.floor)).collect();
        }
        Ok(present)
    }

    /// Reserves the marker. Nothing is recorded yet, so whatever becomes of it can be left.
    async fn reserve(&self, intent: &Intent, request: &Request) -> Result<(Marker, Version)> {
        let marker = self.marker_of(intent, MarkerState::Reserved);
        let put = marker.put(Precondition::Absent)?;
        // The commit that is to come has the same marker in another state.
        let mut whole = request.second.clone();
        whole.push(put.clone());
        check_commit(&*self.second, &whole)?;
        let version = match self.second.commit(vec![put]).await {
            Ok(written) => {
                written.first().and_then(|written| written.version()).ok_or_else(|| {
                    let why = "the store answered something else than asked";
                    Error::new(ErrorKind::Corrupt, COMMIT, why)
                        .with("store", self.second.location())
                })?
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                let why = "the second store did not say whether it takes part; nothing was \
                           written to either";
                return Err(Error::new(ErrorKind::Unavailable, COMMIT, why).caused_by(error));
            }
            Err(error) => return Err(error),
        };
        self.hooks.step(Step::Reserved)?;
        Ok((marker, version))
    }

    /// Commits in the first store, with the intent.
    async fn record(&self, request: &Request, drafted: Drafted) -> Result<Recorded> {
        let (mut drafted, mut pauses) = (drafted, pauses::contention());
        loop {
            let error = match self.first.commit(drafted.writes.clone()).await {
                Ok(written) => return recorded(drafted.intent, written),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::OutcomeUnknown {
                return self.found(request.id, error).await;
            }
            if !names_preconditions(&error) {
                return Err(error);
            }
            match pauses.next() {
                Some(pause) => sleep(pause).await,
                None => return Err(overtaken(error)),
            }
            // What the caller asked for may hold all the same, over something else.
            drafted = self.draft(request).await?;
        }
    }

    /// After a lost answer: the intent tells that the commit was done. That it is not there
    /// tells nothing, for it may still arrive.
    async fn found(&self, id: IntentId, lost: Error) -> Result<Recorded> {
        match self.intent(id).await {
            Ok(Some(intent)) => Ok(Recorded { intent, written: None }),
            Ok(None) | Err(_) => Err(lost
                .with("intent", id)
                .hint("if the writes of the first store arrive, recover does the others")),
        }
    }

    /// Removes a marker that nobody needs. If that fails, `recover` does it later.
    async fn remove_marker(&self, id: IntentId) {
        if let Ok(key) = marker_key(id) {
            drop(self.second.commit(vec![Write::delete(key, Precondition::Any)]).await);
        }
    }
}

fn recorded(intent: Intent, mut written: Vec<Written>) -> Result<Recorded> {
    let version = written.pop().and_then(Written::version).ok_or_else(|| {
        // The intent is there all the same, so nobody may take the reservation away.
        let why = "the first store answered something else than asked";
        Error::new(ErrorKind::OutcomeUnknown, COMMIT, why).with("intent", intent.id)
    })?;
    Ok(Recorded { intent: Known { version, value: intent }, written: Some(written) })
}

/// What the caller is told of a commit that was not done in both stores.
fn answer(id: IntentId, settled: Result<Settled>, trail: Trail) -> Error {
    match settled {
        Ok(Settled::Compensated) => taken_back(id, trail.refused),
        Ok(Settled::NeedsOperator) => stuck(id, trail.refused),
        Ok(Settled::Completed | Settled::Elsewhere | Settled::Unknown) => ended_elsewhere(id),
        Err(error) => pending(id, error),
    }
}
