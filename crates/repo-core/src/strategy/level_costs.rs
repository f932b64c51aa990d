//! What reads of each level of consistency cost a store.

/// By what a store answers a read of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LevelCost {
    /// By a strong read: asking for less saves nothing.
    StrongRead,
    /// By a read of the store's own that costs less than a strong one. Reads by key may be
    /// strong all the same.
    WeakRead,
    /// By a replica, which is asked in the same round trip whether it has what the level
    /// asks for. Where it has not, a strong read follows.
    Replica,
}

/// What reads of each level cost; strong ones are what they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LevelCosts {
    /// Of [`Eventual`](crate::Consistency::Eventual).
    pub eventual: LevelCost,
    /// Of [`BoundedStaleness`](crate::Consistency::BoundedStaleness).
    pub bounded_staleness: LevelCost,
    /// Of [`AtLeast`](crate::Consistency::AtLeast).
    pub at_least: LevelCost,
}

impl LevelCosts {
    /// A store of which every read is strong.
    pub const STRONG: Self = Self {
        eventual: LevelCost::StrongRead,
        bounded_staleness: LevelCost::StrongRead,
        at_least: LevelCost::StrongRead,
    };

    /// A store that reads from replicas whatever level allows it.
    pub const REPLICAS: Self = Self {
        eventual: LevelCost::Replica,
        bounded_staleness: LevelCost::Replica,
        at_least: LevelCost::Replica,
    };

    /// A store that has weaker reads of its own, and bounds nothing.
    pub const WEAK: Self = Self { eventual: LevelCost::WeakRead, ..Self::STRONG };
}
