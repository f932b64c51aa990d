//! A pair of stores.

use std::sync::Arc;
use std::time::Duration;

use repo_core::strategy::{Sameness, StorageStrategy, StoreId, never_prepared};
use repo_core::{Clock, Error, ErrorKind, Result, SystemClock};

use crate::hooks::Hooks;
use crate::keys::schemas;

const PAIR: &str = "pair two stores";

/// How long a marker without an intent stays, unless said otherwise.
const GRACE: Duration = Duration::from_secs(15 * 60);

/// Two stores in which commits are done in both or in neither. Cheap to clone.
///
/// The first one coordinates: what is under way is recorded there. Every process that commits
/// in the same two stores names them in the same order; a pair the other way round is another
/// pair, and both may be used at once.
#[derive(Debug, Clone)]
pub struct Across {
    pub(crate) first: Arc<dyn StorageStrategy>,
    pub(crate) second: Arc<dyn StorageStrategy>,
    pub(crate) first_id: StoreId,
    pub(crate) second_id: StoreId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) grace: Duration,
    pub(crate) hooks: Hooks,
}

/// Makes the collections of intents and markers in both stores. Safe to repeat; a program that
/// hands [`schemas`] to its stores when it opens them need not.
///
/// # Errors
/// As [`StorageStrategy::prepare`].
pub async fn prepare(first: &dyn StorageStrategy, second: &dyn StorageStrategy) -> Result<()> {
    let schemas = schemas()?;
    first.prepare(&schemas).await?;
    second.prepare(&schemas).await.map(drop)
}

impl Across {
    /// Pairs two open stores. Nothing is written; call [`recover`](Self::recover) next, so that
    /// what a process left that was killed is settled.
    ///
    /// # Errors
    /// `Invalid` when both are one store, or one is a copy of the other with the same id;
    /// `NotFound` for a store that was never prepared; `Unsupported` when one cannot be
    /// written to, or only one of them is durable: a crash would take away what the other one
    /// relies on. What the stores report.
    pub async fn new(
        first: Arc<dyn StorageStrategy>,
        second: Arc<dyn StorageStrategy>,
    ) -> Result<Self> {
        let (first_id, second_id) = (id_of(&*first).await?, id_of(&*second).await?);
        if first_id == second_id || are_one(&*first, &*second).await? {
            let why = "both are one store, or one is a copy that has the id of the other";
            return Err(named(ErrorKind::Invalid, why, &*first, &*second)
                .hint("one store does it in one commit; a copy is first given an id of its own"));
        }
        if first.capabilities().read_only || second.capabilities().read_only {
            let why = "a store that is open for reading only takes part in no commit";
            return Err(
                named(ErrorKind::Unsupported, why, &*first, &*second).hint("open both for writing")
            );
        }
        if first.capabilities().durable != second.capabilities().durable {
            let why = "one of the stores loses what it acknowledged when the machine stops";
            return Err(named(ErrorKind::Unsupported, why, &*first, &*second)
                .hint("use two durable stores, with sync_writes"));
        }
        Ok(Self {
            first,
            second,
            first_id,
            second_id,
            clock: Arc::new(SystemClock),
            grace: GRACE,
            hooks: Hooks::default(),
        })
    }

    /// With another clock: for the times in intents, and for the age of markers. No clock
    /// decides whether a write is done.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How old a marker without an intent has to be until [`recover`](Self::recover) removes
    /// it; 15 minutes unless said otherwise. A commit that takes longer than that between its
    /// two stores is still done in both or in neither, but its caller may be told
    /// `OutcomeUnknown`, and an operator may have to look.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// With something that happens after each step; for tests.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }
}

async fn id_of(store: &dyn StorageStrategy) -> Result<StoreId> {
    store.store_record().await?.id.ok_or_else(|| never_prepared(PAIR, store.location()))
}

async fn are_one(first: &dyn StorageStrategy, second: &dyn StorageStrategy) -> Result<bool> {
    let (first, second) = (first.physical_identity().await?, second.physical_identity().await?);
    let both = first.zip(second);
    Ok(both.is_some_and(|(first, second)| first.compare(&second) == Sameness::Same))
}

fn named(
    kind: ErrorKind,
    why: &'static str,
    first: &dyn StorageStrategy,
    second: &dyn StorageStrategy,
) -> Error {
    Error::new(kind, PAIR, why).with("first", first.location()).with("second", second.location())
}
