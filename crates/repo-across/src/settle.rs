//! Settling one commit: from wherever it stands to its end. The committer does it, whoever
//! recovers, and an operator who tries again; any number of them at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::strategy::{Record, as_stored};
use repo_core::{
    Attribution, EntityId, Error, ErrorKind, Key, Precondition, Result, Version, Write, Written,
};
use tokio::time::sleep;

use crate::across::Across;
use crate::hooks::Step;
use crate::intent_id::IntentId;
use crate::keys::{intent_key, marker_key};
use crate::pauses;
use crate::plan::{Ending, Next, Seen, plan};
use crate::refusals::{is_final, names, names_preconditions, under_way};
use crate::stored::{Intent, IntentState, Known, Marker, MarkerState, StoredWrite, UndoAction};

/// Most characters of what is kept of an error for an operator.
const WHY: usize = 500;

/// How far a commit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Both have their writes; the intent is gone.
    Completed,
    /// Neither has; the intent is gone.
    Compensated,
    NeedsOperator,
    /// It is about another second store.
    Elsewhere,
    /// Nothing is left of it.
    Unknown,
}

/// What was learned on the way; worth knowing also when the way ended with an error.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Why the second store refused, if this handle asked it.
    pub(crate) refused: Option<Error>,
    /// What the second store answered, if this handle heard it.
    pub(crate) applied: Option<Vec<Written>>,
    /// The second store has its writes.
    pub(crate) done: bool,
}

impl Across {
    /// Goes on with a commit until it has ended, or is an operator's.
    ///
    /// # Errors
    /// What a store reports when it does not take part; the commit is where it was, and
    /// anybody may go on later.
    pub(crate) async fn settle(
        &self,
        id: IntentId,
        seen: Option<Seen>,
        trail: &mut Trail,
    ) -> Result<Settled> {
        self.hooks.alive()?;
        let (mut seen, mut pauses) = (seen, pauses::contention());
        loop {
            let error = match self.turn(id, seen.take(), trail).await {
                Ok(Some(settled)) => return Ok(settled),
                Ok(None) => under_way(id),
                Err(error) => error,
            };
            let again = names_preconditions(&error)
                || matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown);
            match pauses.next() {
                Some(pause) if again => sleep(pause).await,
                // What failed was ours, not the caller's: others are at work.
                None if names_preconditions(&error) => return Err(under_way(id).caused_by(error)),
                _ => return Err(error),
            }
        }
    }

    /// One look and what follows from it; `None` to look again.
    async fn turn(
        &self,
        id: IntentId,
        seen: Option<Seen>,
        trail: &mut Trail,
    ) -> Result<Option<Settled>> {
        let seen = match seen {
            Some(seen) => seen,
            None => self.look(id).await?,
        };
        Ok(Some(match plan(&seen, self.second_id) {
            Next::Apply(intent, marker) => return self.apply(intent, marker, trail).await,
            Next::Void(intent, marker) => {
                self.void(&intent.value, marker).await?;
                self.compensate(intent, trail).await?
            }
            Next::Compensate(intent) => self.compensate(intent, trail).await?,
            Next::Finish(intent) => {
                trail.done = true;
                self.finish(intent).await?;
                Settled::Completed
            }
            Next::AskFor(intent) => {
                let why = "the marker of the second store is missing: a store was put back to \
                           an older state, or the commit took longer than the grace";
                self.hand_over(intent, why.to_owned()).await?;
                Settled::NeedsOperator
            }
            Next::Wait => Settled::NeedsOperator,
            Next::Elsewhere => Settled::Elsewhere,
            Next::LookAgain => return Ok(None),
            Next::Ended(Ending::Completed) => {
                trail.done = true;
                Settled::Completed
            }
            Next::Ended(Ending::Compensated) => Settled::Compensated,
            Next::Ended(Ending::Unknown) => Settled::Unknown,
        }))
    }

    /// Writes to the second store; if that refuses for good, to neither.
    async fn apply(
        &self,
        intent: &Known<Intent>,
        marker: Version,
        trail: &mut Trail,
    ) -> Result<Option<Settled>> {
        let done = self.marker_of(&intent.value, MarkerState::Done);
        let mut writes: Vec<Write> =
            intent.value.writes.iter().map(StoredWrite::to_write).collect::<Result<_>>()?;
        writes.push(done.put(Precondition::Version(marker))?);
        let own = marker_key(intent.value.id)?;
        match self.second.commit(writes).await {
            Ok(mut written) => {
                written.pop();
                trail.applied = Some(written);
                trail.done = true;
                self.hooks.step(Step::Applied)?;
                self.finish(intent).await?;
                Ok(Some(Settled::Completed))
            }
            // Somebody else was faster; or it is not known, and the marker will tell.
            Err(error) if names(&error, &own) || !is_final(&error) => Err(error),
            Err(error) => {
                trail.refused = Some(error);
                self.void(&intent.value, marker).await?;
                self.compensate(intent, trail).await.map(Some)
            }
        }
    }

    /// From here on no commit under way reaches the second store.
    async fn void(&self, intent: &Intent, marker: Version) -> Result<()> {
        let void = self.marker_of(intent, MarkerState::Void);
        self.second.commit(vec![void.put(Precondition::Version(marker))?]).await?;
        self.hooks.step(Step::Voided)
    }

    /// Takes the first store's writes back, if nobody has changed what they left; else it is an
    /// operator's.
    async fn compensate(&self, intent: &Known<Intent>, trail: &mut Trail) -> Result<Settled> {
        let value = &intent.value;
        if let Some(why) = self.tombstone_that_changed(value).await? {
            self.hand_over(intent, why).await?;
            return Ok(Settled::NeedsOperator);
        }
        let own = intent_key(value.id)?;
        let reason = format!("compensation of the intent {}", value.id);
        let by = Some(Arc::new(Attribution::new(None, Some(&reason))?));
        let mut writes = Vec::with_capacity(value.undo.len() + 1);
        for undo in &value.undo {
            writes.push(undo.to_write()?.attributed_to(by.clone()));
        }
        writes.push(Write::delete(own.clone(), Precondition::Version(intent.version)));
        match as_stored(self.first.commit(writes)).await {
            Ok(_) => {
                self.hooks.step(Step::Compensated)?;
                Ok(Settled::Compensated)
            }
            Err(error) if names(&error, &own) || !is_final(&error) => Err(error),
            Err(error) => {
                let refused = trail.refused.as_ref().map(ToString::to_string);
                let why = match refused {
                    Some(refused) => format!("{error}; the second store had refused: {refused}"),
                    None => error.to_string(),
                };
                self.hand_over(intent, why).await?;
                Ok(Settled::NeedsOperator)
            }
        }
    }

    /// No precondition names the version of a tombstone, so it is looked at before: what was
    /// deleted comes back only if nobody has used its id since.
    async fn tombstone_that_changed(&self, intent: &Intent) -> Result<Option<String>> {
        let mut deleted: BTreeMap<_, Vec<(EntityId, Version)>> = BTreeMap::new();
        for undo in &intent.undo {
            if let UndoAction::Revive { tombstone, .. } = &undo.action {
                deleted.entry(&undo.collection).or_default().push((undo.id.clone(), *tombstone));
            }
        }
        for (collection, expected) in deleted {
            let ids: Vec<EntityId> = expected.iter().map(|(id, _)| id.clone()).collect();
            let records = as_stored(self.first.get_many(collection, &ids)).await?;
            for ((id, tombstone), record) in expected.into_iter().zip(records) {
                let same = |record: &Record| !record.is_live() && record.version() == tombstone;
                if !record.as_ref().is_some_and(same) {
                    let key = Key::new(collection.clone(), id);
                    return Ok(Some(format!("{key} was written or purged since it was deleted")));
                }
            }
        }
        Ok(None)
    }

    /// Removes the intent: both stores have their writes.
    async fn finish(&self, intent: &Known<Intent>) -> Result<()> {
        let own = intent_key(intent.value.id)?;
        let as_read = Precondition::Version(intent.version);
        self.first.commit(vec![Write::delete(own, as_read)]).await?;
        self.hooks.step(Step::IntentRemoved)
    }

    /// Leaves it to an operator.
    async fn hand_over(&self, intent: &Known<Intent>, why: String) -> Result<()> {
        let why = why.chars().take(WHY).collect();
        let state = IntentState::NeedsOperator { since: self.clock.now(), why };
        let handed = Intent { state, ..intent.value.clone() };
        self.first.commit(vec![handed.put(Precondition::Version(intent.version))?]).await?;
        self.hooks.step(Step::HandedOver)
    }

    /// The marker of an intent in a state.
    pub(crate) fn marker_of(&self, intent: &Intent, state: MarkerState) -> Marker {
        let coordinator = self.first_id;
        Marker { id: intent.id, coordinator, attempt: intent.attempt, state }
    }
}
