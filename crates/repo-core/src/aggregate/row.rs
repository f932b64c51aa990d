//! What an aggregation answers.

use crate::{Decimal, Value};

/// The answer to an [`Aggregation`](crate::Aggregation).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aggregates {
    /// A row for each group, in the order of their keys.
    pub rows: Vec<GroupRow>,
    /// Who grouped.
    pub grouped_by: GroupedBy,
}

/// Who grouped: the answer is the same, what it costs is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupedBy {
    /// The store, all that it does exactly; it gave groups instead of entities.
    Store,
    /// The engine: the store gave each entity that may match.
    Engine,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupRow {
    /// The value of each field that was grouped by; `None`: the field is missing.
    pub key: Vec<Option<Value>>,
    /// The value of each function.
    pub values: Vec<AggregateValue>,
}

/// What a function gave for a group. `skipped` counts the values that it does not take;
/// an entity without the field has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregateValue {
    /// Of `count`: how many entities.
    Count(u64),
    /// Of `sum`.
    Sum {
        /// The exact sum; 0 where there are no numbers.
        sum: Decimal,
        /// How many numbers it is of.
        numbers: u64,
        /// How many values are no numbers.
        skipped: u64,
    },
    /// Of `min`.
    Min {
        /// The least number, or else the least string.
        value: Option<Extreme>,
        /// How many values are neither numbers nor strings.
        skipped: u64,
    },
    /// Of `max`.
    Max {
        /// The greatest string, or else the greatest number.
        value: Option<Extreme>,
        /// How many values are neither numbers nor strings.
        skipped: u64,
    },
    /// Of `avg`. Sum and number of the numbers are exact.
    Avg {
        /// The mean, rounded half to even to 38 significant digits; `None` where there are
        /// no numbers.
        average: Option<Decimal>,
        /// The exact sum.
        sum: Decimal,
        /// How many numbers it is of.
        numbers: u64,
        /// How many values are no numbers.
        skipped: u64,
    },
}

/// A number or a string. Any number stands before any string, as in every order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extreme {
    /// A number.
    Number(Decimal),
    /// A string, compared by its UTF-8 bytes.
    Text(String),
}

impl AggregateValue {
    /// The answer alone: what was counted, summed or found; `None` where there was nothing
    /// to take it of.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        match self {
            Self::Count(count) => Some(Value::Number(whole(*count))),
            Self::Sum { sum, .. } => Some(Value::Number(*sum)),
            Self::Min { value, .. } | Self::Max { value, .. } => value.clone().map(Value::from),
            Self::Avg { average, .. } => average.map(Value::Number),
        }
    }

    /// How many values the function did not take.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        match self {
            Self::Count(_) => 0,
            Self::Sum { skipped, .. }
            | Self::Min { skipped, .. }
            | Self::Max { skipped, .. }
            | Self::Avg { skipped, .. } => *skipped,
        }
    }
}

impl From<Extreme> for Value {
    fn from(extreme: Extreme) -> Self {
        match extreme {
            Extreme::Number(number) => Self::Number(number),
            Extreme::Text(text) => Self::String(text),
        }
    }
}

/// A whole number as a decimal: it has at most 20 digits.
fn whole(number: u64) -> Decimal {
    Decimal::parse(&number.to_string()).unwrap_or(Decimal::ZERO)
}
