//! Whether a document is meant.

use repo_core::{Result, Value};

use super::order::{compare, type_rank};
use super::path::SelectorPath;
use super::tree::{Bound, Selector, Test};
use crate::refusal::Refusal;

impl Selector {
    /// Whether a whole document is meant.
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        self.verdict(document, &[]).unwrap_or(false)
    }

    /// Whether a document is meant of which the values at some paths are not here, because
    /// they were spilled into blobs.
    ///
    /// # Errors
    /// The refusal `SpilledValue` if that depends on one of those values. The answer to a query
    /// without this document could be wrong, so the query is refused.
    pub fn decide(&self, document: &Value, absent: &[SelectorPath]) -> Result<bool> {
        self.verdict(document, absent).ok_or_else(|| {
            let touched = self.paths().find(|path| is_absent(path, absent));
            let why = "the selector asks for a part of a value that is too large to be filtered";
            let error = Refusal::SpilledValue.error("select", why);
            match touched {
                Some(path) => error.with("field", path),
                None => error,
            }
        })
    }

    /// `None` where it cannot be known.
    fn verdict(&self, document: &Value, absent: &[SelectorPath]) -> Option<bool> {
        match self {
            Self::All(parts) => joined(parts, false, document, absent),
            Self::Any(parts) => joined(parts, true, document, absent),
            Self::Not(part) => part.verdict(document, absent).map(|truth| !truth),
            Self::Field(path, _) if is_absent(path, absent) => None,
            Self::Field(path, test) => Some(path.any(document, |found| test.holds(found))),
        }
    }
}

/// All or any of the parts: one that is `decisive` decides, whatever the unknown ones are.
fn joined(
    parts: &[Selector],
    decisive: bool,
    document: &Value,
    absent: &[SelectorPath],
) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part.verdict(document, absent) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

fn is_absent(path: &SelectorPath, absent: &[SelectorPath]) -> bool {
    absent.iter().any(|absent| path.overlaps(absent))
}

impl Test {
    /// Whether a value, or nothing, passes.
    pub(super) fn holds(&self, found: Option<&Value>) -> bool {
        match self {
            Self::Exists => found.is_some(),
            Self::Pattern(pattern) => {
                found.and_then(Value::as_str).is_some_and(|text| pattern.is_match(text))
            }
            Self::Equal(operand) => found.unwrap_or(&Value::Null) == operand,
            Self::OneOf(operands) => {
                let found = found.unwrap_or(&Value::Null);
                operands.binary_search_by(|operand| compare(operand, found)).is_ok()
            }
            Self::Compare(bound, operand) => bound.holds(found.unwrap_or(&Value::Null), operand),
        }
    }
}

impl Bound {
    fn holds(self, value: &Value, operand: &Value) -> bool {
        if type_rank(value) != type_rank(operand) {
            return false;
        }
        let order = compare(value, operand);
        match self {
            Self::Above => order.is_gt(),
            Self::From => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::UpTo => order.is_le(),
        }
    }
}
