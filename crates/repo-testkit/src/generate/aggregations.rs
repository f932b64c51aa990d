//! Aggregations over the names that documents have.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use repo_core::{AggregateFunction, Aggregation, Filter};

use super::filters::{PATHS, filter};

/// The functions that may be asked for together.
const FUNCTIONS: [&str; 14] = [
    "count",
    "sum(price)",
    "sum(count)",
    "sum(any)",
    "sum(nowhere)",
    "avg(count)",
    "avg(rank)",
    "min(any)",
    "min(status)",
    "min(price)",
    "max(any)",
    "max(meta.kind)",
    "max(count)",
    "max(free)",
];

/// An aggregation as a person would write it.
#[derive(Clone, PartialEq, Eq)]
pub struct AggregationSpec {
    /// The filter as JSON text.
    pub filter: String,
    /// The fields to group by.
    pub group_by: Vec<&'static str>,
    /// What is computed.
    pub functions: Vec<&'static str>,
    /// How many groups are allowed.
    pub max_groups: usize,
}

impl AggregationSpec {
    /// The aggregation.
    #[must_use]
    pub fn aggregation(&self) -> Aggregation {
        let mut asked = Aggregation::new(Filter::parse(&self.filter).unwrap()).strong();
        for field in &self.group_by {
            asked = asked.group_by(field).unwrap();
        }
        for function in &self.functions {
            asked = asked.function(AggregateFunction::parse(function).unwrap()).unwrap();
        }
        asked.max_groups(self.max_groups).unwrap()
    }
}

impl fmt::Debug for AggregationSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, group_by, functions, max_groups } = self;
        write!(f, "{functions:?} by {group_by:?} of {filter}, at most {max_groups} groups")
    }
}

/// An aggregation: of few functions, by no field or by few, mostly of everything.
pub fn aggregation() -> impl Strategy<Value = AggregationSpec> {
    let filter = prop_oneof![2 => Just("{}".to_owned()), 1 => filter()];
    let fields = prop_oneof![
        1 => Just(Vec::new()),
        2 => select(&PATHS[..]).prop_map(|path| vec![path]),
        1 => subsequence(PATHS.to_vec(), 2..=3).prop_shuffle(),
    ];
    let functions = prop_oneof![
        1 => Just(vec!["count"]),
        2 => subsequence(FUNCTIONS.to_vec(), 0..4),
    ];
    let limit = prop_oneof![4 => Just(10_000_usize), 1 => 1..6_usize];
    (filter, fields, functions, limit).prop_map(|(filter, group_by, functions, max_groups)| {
        AggregationSpec { filter, group_by, functions, max_groups }
    })
}
