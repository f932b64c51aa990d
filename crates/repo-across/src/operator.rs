//! What an operator decides.

use repo_core::strategy::strong_reads;
use repo_core::{Error, ErrorKind, Precondition, Result, Write};

use crate::across::Across;
use crate::hooks::Step;
use crate::intent_id::IntentId;
use crate::keys::{intent_key, marker_key};
use crate::plan::Seen;
use crate::refusals::{ended_elsewhere, no_such_intent};
use crate::settle::{Settled, Trail};
use crate::stored::{Intent, IntentState, Known, Marker, MarkerState};

const RETRY: &str = "retry an intent";
const GIVE_UP: &str = "give an intent up";

/// What became of a commit that was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both stores have their writes.
    Completed,
    /// Neither has: those of the first one were taken back.
    Compensated,
    /// The second store refuses still, and the first one cannot be taken back.
    NeedsOperator,
}

impl Across {
    /// Tries a commit again: first the writes of the second store, and if it still refuses
    /// them, to take those of the first one back. For one that waits for an operator, once
    /// what stood in the way is put right; one that waits for recovery is settled as
    /// [`recover`](Self::recover) does.
    ///
    /// Where [`list`](Self::list) says that the marker is missing, look at the second store
    /// before: if it has its writes already, [`give_up`](Self::give_up) is right.
    ///
    /// # Errors
    /// `NotFound` when there is no such intent; `Invalid` when it is about another second
    /// store; `Conflict`, `NotFound` or `AlreadyExists` when others decided at the same moment;
    /// what the stores report.
    pub async fn retry(&self, id: IntentId) -> Result<Outcome> {
        strong_reads(self.retry_one(id)).await
    }

    /// Ends a commit that waits for an operator, and leaves both stores as they are: the first
    /// one with its writes, the second one without. The operator has put them right, or does.
    ///
    /// # Errors
    /// `NotFound` when there is no such intent; `Invalid` when it does not wait for an
    /// operator, is about another second store, or was completed; `Conflict` or `NotFound` when
    /// others decided at the same moment. The intent is still there then, or ended otherwise.
    /// What the stores report.
    pub async fn give_up(&self, id: IntentId) -> Result<()> {
        strong_reads(self.give_up_one(id)).await
    }

    async fn retry_one(&self, id: IntentId) -> Result<Outcome> {
        self.hooks.alive()?;
        let Seen { intent, marker } = self.look(id).await?;
        let Some(intent) = intent else { return Err(no_such_intent(id, RETRY)) };
        let newer = marker.as_ref().is_some_and(|it| it.value.attempt > intent.value.attempt);
        let is_done = marker.as_ref().is_some_and(|it| it.value.state == MarkerState::Done);
        if !is_done && (newer || waits(&intent.value)) {
            self.reopen(intent, marker).await?;
        }
        match self.settle(id, None, &mut Trail::default()).await? {
            Settled::Completed => Ok(Outcome::Completed),
            Settled::Compensated => Ok(Outcome::Compensated),
            Settled::NeedsOperator => Ok(Outcome::NeedsOperator),
            Settled::Elsewhere => Err(about_another(id, RETRY)),
            Settled::Unknown => Err(ended_elsewhere(id)),
        }
    }

    /// Reserves the marker once more, for one attempt more, and then tells the intent. Nobody
    /// acts on the one without the other.
    async fn reopen(&self, intent: Known<Intent>, marker: Option<Known<Marker>>) -> Result<()> {
        let mut again = Intent { state: IntentState::Pending, ..intent.value };
        let before = match &marker {
            None if again.second != self.second_id => return Err(about_another(again.id, RETRY)),
            None => again.attempt,
            Some(marker) => marker.value.attempt.max(again.attempt),
        };
        let reserved = marker.as_ref().filter(|marker| {
            marker.value.state == MarkerState::Reserved && marker.value.attempt > again.attempt
        });
        // An operator who was broken off here has reserved it already.
        again.attempt = match reserved {
            Some(marker) => marker.value.attempt,
            None => before.saturating_add(1),
        };
        if reserved.is_none() {
            let as_read = marker
                .as_ref()
                .map_or(Precondition::Absent, |marker| Precondition::Version(marker.version));
            let put = self.marker_of(&again, MarkerState::Reserved).put(as_read)?;
            self.second.commit(vec![put]).await.map_err(|error| error.with("intent", again.id))?;
            self.hooks.step(Step::Reopened)?;
        }
        let put = again.put(Precondition::Version(intent.version))?;
        let told = self.first.commit(vec![put]).await;
        told.map(drop).map_err(|error| error.with("intent", again.id))
    }

    async fn give_up_one(&self, id: IntentId) -> Result<()> {
        self.hooks.alive()?;
        let Seen { intent, marker } = self.look(id).await?;
        let Some(intent) = intent else { return Err(no_such_intent(id, GIVE_UP)) };
        if !waits(&intent.value) {
            let why = "the commit does not wait for an operator";
            return Err(Error::new(ErrorKind::Invalid, GIVE_UP, why)
                .with("intent", id)
                .hint("recover settles it"));
        }
        if marker.is_none() && intent.value.second != self.second_id {
            return Err(about_another(id, GIVE_UP));
        }
        if let Some(marker) = marker {
            if marker.value.state == MarkerState::Done {
                let why = "both stores have their writes";
                return Err(Error::new(ErrorKind::Invalid, GIVE_UP, why)
                    .with("intent", id)
                    .hint("recover removes the intent"));
            }
            // Before the intent: a marker without one says that the commit has ended well.
            let as_read = Precondition::Version(marker.version);
            let delete = Write::delete(marker_key(id)?, as_read);
            self.second.commit(vec![delete]).await.map_err(|error| error.with("intent", id))?;
            self.hooks.step(Step::Unmarked)?;
        }
        let delete = Write::delete(intent_key(id)?, Precondition::Version(intent.version));
        let ended = self.first.commit(vec![delete]).await;
        ended.map(drop).map_err(|error| error.with("intent", id))
    }
}

fn waits(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::NeedsOperator { .. })
}

fn about_another(id: IntentId, operation: &'static str) -> Error {
    let why = "the commit is about another second store";
    Error::new(ErrorKind::Invalid, operation, why)
        .with("intent", id)
        .hint("pair the first store with the one that list names")
}
