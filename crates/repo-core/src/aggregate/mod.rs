//! Aggregations: groups of entities, and what is computed of each, exactly.
//!
//! [`Aggregation`] is what is asked, [`Aggregates`] the answer. [`Aggregator`] computes
//! it of documents one by one, for the strategies that do not do it themselves, and
//! takes the groups of those that do. All go through it, so that every store gives the
//! same answer.

mod aggregator;
mod exact_sum;
mod function;
mod json;
mod mean;
mod row;
mod spec;
mod stored;
mod summary;

pub use aggregator::Aggregator;
pub use exact_sum::ExactSum;
pub use function::AggregateFunction;
pub use row::{AggregateValue, Aggregates, Extreme, GroupRow, GroupedBy};
pub use spec::{
    Aggregation, DEFAULT_MAX_GROUPS, MAX_AGGREGATE_FUNCTIONS, MAX_GROUP_FIELDS, MAX_GROUPS,
    Measured,
};
pub use summary::FieldSummary;

#[cfg(test)]
mod tests;
