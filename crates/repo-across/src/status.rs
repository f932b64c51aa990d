//! Intents as an operator sees them.

use repo_core::strategy::{StoreId, strong_reads};
use repo_core::{Cursor, Filter, Key, Result, Timestamp};

use crate::across::Across;
use crate::intent_id::IntentId;
use crate::keys::{INTENTS, collection};
use crate::recover::page_of;
use crate::stored::{Intent, IntentState, Known, StoredWrite, Undo};

/// A commit that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntentStatus {
    /// By which it is known in both stores.
    pub id: IntentId,
    /// When it was begun, by the clock of who began it.
    pub since: Timestamp,
    /// Who goes on with it.
    pub waits_for: WaitsFor,
    /// From 1; higher each time it was tried again by [`Across::retry`].
    pub attempt: u32,
    /// The second store. Another one than that of this pair, if the first store is in several
    /// pairs or the second one has moved.
    pub second: StoreId,
    /// The keys that the first store has written. Those that were only checked are not here.
    pub written: Vec<Key>,
    /// The keys that the second store is to write or to check.
    pub unwritten: Vec<Key>,
}

/// Who goes on with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// Its committer, or whoever recovers.
    Recovery,
    /// An operator, by [`Across::retry`] or [`Across::give_up`].
    Operator {
        /// Since when, by the clock of who found that out.
        since: Timestamp,
        /// What stands in the way.
        why: String,
    },
}

/// A page of intents.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IntentPage {
    /// At most 40, in the first store's own order.
    pub intents: Vec<IntentStatus>,
    /// Where the next page begins; `None` after the last one. A page may be followed by an
    /// empty one.
    pub next: Option<Cursor>,
}

impl Across {
    /// A page of the commits that have not ended: the first one, or the one after a page
    /// before. Those of commits under way at this moment are among them.
    ///
    /// # Errors
    /// `Corrupt` for a record that is damaged; what the first store reports.
    pub async fn list(&self, after: Option<Cursor>) -> Result<IntentPage> {
        let (intents, query) = (collection(INTENTS)?, page_of(Filter::default(), after)?);
        let page = strong_reads(self.first.query(&intents, &query)).await?;
        let read = |entity| Known::<Intent>::read(entity).map(|known| status(known.value));
        let intents = page.entities.iter().map(read).collect::<Result<_>>()?;
        Ok(IntentPage { intents, next: page.next })
    }
}

fn status(intent: Intent) -> IntentStatus {
    IntentStatus {
        id: intent.id,
        since: intent.since,
        waits_for: match intent.state {
            IntentState::Pending => WaitsFor::Recovery,
            IntentState::NeedsOperator { since, why } => WaitsFor::Operator { since, why },
        },
        attempt: intent.attempt,
        second: intent.second,
        written: intent.undo.iter().map(Undo::key).collect(),
        unwritten: intent.writes.iter().map(StoredWrite::key).collect(),
    }
}
