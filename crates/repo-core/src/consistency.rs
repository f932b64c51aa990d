//! What a read has to see.

use std::time::Duration;

use crate::Token;

/// What a read has to see. Queries, counts, aggregations and scans say it themselves;
/// [`with_consistency`](crate::strategy::with_consistency) says it for every read of a
/// piece of work, those by key too.
///
/// At every level but `Eventual` a handle sees its own acknowledged writes. What a store
/// cannot bound it reads strongly: a level is strengthened, never weakened. What each level
/// costs is in [`Capabilities::levels`](crate::strategy::Capabilities::levels).
///
/// ```
/// use std::time::Duration;
///
/// use repo_core::{Consistency, Query};
///
/// let second = Consistency::BoundedStaleness(Duration::from_secs(1));
/// let query = Query::all().with_consistency(second);
/// assert_eq!(query.consistency(), second);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// Acknowledged writes may be missing for a short while.
    #[default]
    Eventual,
    /// Every acknowledged write is seen.
    Strong,
    /// Every write is seen that was acknowledged so long before the read began, or longer.
    /// Zero is as `Strong`.
    BoundedStaleness(Duration),
    /// Every write is seen that the token names.
    AtLeast(Token),
}

impl Consistency {
    /// Whether a store that bounds nothing reads strongly for it: for all but `Eventual`.
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        !matches!(self, Self::Eventual)
    }
}
