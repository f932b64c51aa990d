//! The rows of each kind of store.

use crate::row::{Bound, Measure, Row};

/// The rows of one kind of store.
pub(in crate::rows) struct Rows {
    pub(super) captured: Row,
    pub(super) read: Row,
    pub(super) follow: Row,
    pub(super) lag: Row,
    pub(super) history: Row,
    pub(super) as_of: Row,
    pub(super) lease: Row,
}

pub(in crate::rows) static JSON: Rows = Rows::new(
    [
        "json.update_captured",
        "json.feed_read",
        "json.feed_follow",
        "json.feed_lag",
        "json.update_history",
        "json.as_of",
        "json.lease",
    ],
    [1.05, 1.05],
);
pub(in crate::rows) static SQLITE: Rows = Rows::new(
    [
        "sqlite.update_captured",
        "sqlite.feed_read",
        "sqlite.feed_follow",
        "sqlite.feed_lag",
        "sqlite.update_history",
        "sqlite.as_of",
        "sqlite.lease",
    ],
    [1.15, 1.2],
);
pub(in crate::rows) static POSTGRES: Rows = Rows::new(
    [
        "postgresql.update_captured",
        "postgresql.feed_read",
        "postgresql.feed_follow",
        "postgresql.feed_lag",
        "postgresql.update_history",
        "postgresql.as_of",
        "postgresql.lease",
    ],
    [1.1, 1.2],
);

impl Rows {
    /// With the bounds of an update that is captured, and of one whose version is kept.
    const fn new(names: [&'static str; 7], [captured, history]: [f64; 2]) -> Self {
        let [captured_name, read, follow, lag, history_name, as_of, lease] = names;
        Self {
            captured: Row {
                name: captured_name,
                what: "one conditional update while changes are captured",
                against: "the same update while they are not",
                measure: Measure::Time,
                bound: Some(Bound::AtMost(captured)),
            },
            read: Row {
                name: read,
                what: "reading the feed, 1,000 changes with their records at once",
                against: "a scan of as many records",
                measure: Measure::Rate,
                bound: None,
            },
            follow: Row {
                name: follow,
                what: "changes that a consumer gets while 8 callers write",
                against: "what they write while no consumer follows",
                measure: Measure::Rate,
                bound: None,
            },
            lag: Row {
                name: lag,
                what: "from its acknowledgement until the consumer has a change: 99 of 100",
                against: "nothing",
                measure: Measure::Time,
                bound: None,
            },
            history: Row {
                name: history_name,
                what: "one conditional update while the history is kept",
                against: "the same update while it is not",
                measure: Measure::Time,
                bound: Some(Bound::AtMost(history)),
            },
            as_of: Row {
                name: as_of,
                what: "what an entity of 10 versions was at a time",
                against: "a get of the same entity",
                measure: Measure::Time,
                bound: None,
            },
            lease: Row {
                name: lease,
                what: "a lease acquired and given back, nobody else wanting it",
                against: "one conditional update",
                measure: Measure::Time,
                bound: None,
            },
        }
    }

    pub(in crate::rows) fn all(&'static self) -> [&'static Row; 7] {
        [
            &self.captured,
            &self.read,
            &self.follow,
            &self.lag,
            &self.history,
            &self.as_of,
            &self.lease,
        ]
    }
}
