//! Filters: conditions on the fields of a document.
//!
//! The tree is public so that a strategy can turn the parts it does exactly
//! into its own language; the engine filters again what the store returns
//! beyond.

mod condition;
mod matching;
mod parse;

pub use condition::{Condition, FieldCondition, field};

use crate::{Error, ErrorKind, FieldPath, Result, Value};

/// A condition on a document. Every filter is true or false, never unknown:
/// a comparison with a missing field or with a value of another type is false.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// Every part is true; with no parts: true.
    And(Vec<Filter>),
    /// Some part is true; with no parts: false.
    Or(Vec<Filter>),
    /// The part is false.
    Not(Box<Filter>),
    /// The value at a path satisfies a predicate.
    Field(FieldPath, Predicate),
}

impl Default for Filter {
    /// The filter that everything matches.
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl Filter {
    /// `path` equals `value`.
    #[must_use]
    pub fn eq(path: FieldPath, value: Value) -> Self {
        Self::Field(path, Predicate::Eq(value))
    }

    /// Whether everything matches, so that no document need be read.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::And(parts) if parts.iter().all(Self::is_all))
    }

    /// The values that the field at `path` must be one of for the filter to
    /// be true, when the filter says so at its top: from `$eq` and `$in`,
    /// alone or within `$and`. A strategy looks these up in an index.
    #[must_use]
    pub fn required_values(&self, path: &FieldPath) -> Option<&[Value]> {
        match self {
            Self::Field(at, Predicate::Eq(value)) if at == path => {
                Some(std::slice::from_ref(value))
            }
            Self::Field(at, Predicate::In(values)) if at == path => Some(values),
            Self::And(parts) => parts.iter().find_map(|part| part.required_values(path)),
            _ => None,
        }
    }
}

/// What a value at a path has to satisfy.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Predicate {
    /// It is equal as JSON.
    Eq(Value),
    /// It compares so with a number (if it is a number) or with a string (if
    /// it is a string); anything else is false.
    Compare(Comparison, Value),
    /// It is equal to one of these; to none of no values.
    In(Vec<Value>),
    /// The field is there, be it null, or is not there.
    Exists(bool),
    /// It is a string with this beginning.
    BeginsWith(String),
    /// It is an array with this element, or a string with this part.
    Contains(Value),
    /// It is a string in which the pattern is found.
    Regex(Pattern),
}

/// `$lt`, `$le`, `$gt` or `$ge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `≤`
    LessOrEqual,
    /// `>`
    Greater,
    /// `≥`
    GreaterOrEqual,
}

impl Comparison {
    /// Whether `ordering` satisfies it.
    #[must_use]
    pub fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A compiled regular expression in the syntax of the `regex` crate.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// `Invalid` when it is not a regular expression.
    pub fn new(source: &str) -> Result<Self> {
        regex::Regex::new(source).map(Self).map_err(|error| {
            Error::new(ErrorKind::Invalid, "read a filter", "not a regular expression")
                .with("reason", &error)
                .caused_by(error)
        })
    }

    /// Whether the pattern is found anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The source of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
