//! What is computed of the entities of a group.

use std::fmt;

use crate::{Error, ErrorKind, FieldPath, Result};

/// What is computed of each group. Values of other types are skipped, and how many were
/// is part of the answer; an entity without the field is not skipped, it has no value.
///
/// Its text is `count`, `sum(price)`, `min(metadata.spot_price)` and so on.
///
/// ```
/// use repo_core::AggregateFunction;
///
/// let sum = AggregateFunction::parse("sum(metadata.spot_price)")?;
/// assert_eq!(sum.to_string(), "sum(metadata.spot_price)");
/// assert!(AggregateFunction::parse("median(price)").is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// How many entities there are.
    Count,
    /// The exact sum of the numbers in a field.
    Sum(FieldPath),
    /// The least number in a field; if there is none, the least string.
    Min(FieldPath),
    /// The greatest string in a field; if there is none, the greatest number.
    Max(FieldPath),
    /// The mean of the numbers in a field, rounded half to even to 38 significant digits.
    Avg(FieldPath),
}

impl AggregateFunction {
    /// Reads its text.
    ///
    /// # Errors
    /// `Invalid` for an unknown function or a malformed path.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "count" {
            return Ok(Self::Count);
        }
        let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
        let (name, path) = parts.ok_or_else(|| unknown(text))?;
        let function: fn(FieldPath) -> Self = match name {
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "avg" => Self::Avg,
            _ => return Err(unknown(text)),
        };
        Ok(function(FieldPath::parse(path)?))
    }

    /// The field that it looks at; `count` looks at none.
    #[must_use]
    pub fn path(&self) -> Option<&FieldPath> {
        match self {
            Self::Count => None,
            Self::Sum(path) | Self::Min(path) | Self::Max(path) | Self::Avg(path) => Some(path),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Avg(_) => "avg",
        }
    }
}

impl fmt::Display for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            None => f.write_str(self.name()),
            Some(path) => write!(f, "{}({path})", self.name()),
        }
    }
}

fn unknown(text: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read an aggregation", "an unknown function")
        .with("function", format!("{text:?}"))
        .hint("count, sum(FIELD), min(FIELD), max(FIELD) or avg(FIELD)")
}
