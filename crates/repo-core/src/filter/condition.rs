//! Filters from Rust values: `field("status").eq("running")`.

use std::ops::Not;

use serde::Serialize;

use super::{Comparison, Filter, Pattern, Predicate};
use crate::{Error, ErrorKind, FieldPath, Result, Value};

/// Begins a condition on the field at a dotted path, by its name in the
/// document: `status`, `metadata.spot_price`.
///
/// Operands are values that serde can serialise, so an enum is compared by the
/// text in the document. They never become part of a text that is
/// parsed. What is wrong with a path or an operand is reported when the condition
/// becomes a [`Filter`] or is used in a query.
///
/// ```
/// use repo_core::{Document, Filter, field};
///
/// let cheap = field("status").is_in(["running", "idle"]).and(field("price").lt(0.5)).filter()?;
/// assert_eq!(
///     cheap,
///     Filter::parse(r#"{"$and": [{"status": {"$in": ["running", "idle"]}}, {"price": {"$lt": 0.5}}]}"#)?
/// );
/// assert!(cheap.matches(&Document::parse(r#"{"status":"idle","price":0.25}"#)?));
/// assert!(field("").eq(1).filter().is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[must_use]
pub fn field(path: &str) -> FieldCondition {
    FieldCondition(FieldPath::parse(path))
}

/// A field of which a condition is about to be made; see [`field`].
#[derive(Debug)]
pub struct FieldCondition(Result<FieldPath>);

/// A condition on a document, made by [`field`], or the first thing that is wrong
/// with it.
#[derive(Debug)]
#[must_use]
pub struct Condition(Result<Filter>);

impl FieldCondition {
    /// Equal as JSON; `null` equals a field that is there and null.
    pub fn eq(self, value: impl Serialize) -> Condition {
        self.with_value(value, Predicate::Eq)
    }

    /// Not equal, or not there.
    pub fn ne(self, value: impl Serialize) -> Condition {
        !self.eq(value)
    }

    /// Less than a number or a string; a value of another type is not.
    pub fn lt(self, value: impl Serialize) -> Condition {
        self.compare(Comparison::Less, value)
    }

    /// Less than or equal to a number or a string.
    pub fn le(self, value: impl Serialize) -> Condition {
        self.compare(Comparison::LessOrEqual, value)
    }

    /// Greater than a number or a string.
    pub fn gt(self, value: impl Serialize) -> Condition {
        self.compare(Comparison::Greater, value)
    }

    /// Greater than or equal to a number or a string.
    pub fn ge(self, value: impl Serialize) -> Condition {
        self.compare(Comparison::GreaterOrEqual, value)
    }

    /// Equal to one of the values.
    pub fn is_in<T: Serialize>(self, values: impl IntoIterator<Item = T>) -> Condition {
        let values: Result<Vec<Value>> = values.into_iter().map(operand).collect();
        self.with(values.map(Predicate::In))
    }

    /// The field is there, be it null.
    pub fn exists(self) -> Condition {
        self.with(Ok(Predicate::Exists(true)))
    }

    /// The field is not there.
    pub fn is_missing(self) -> Condition {
        self.with(Ok(Predicate::Exists(false)))
    }

    /// A string with this beginning.
    pub fn begins_with(self, start: impl Into<String>) -> Condition {
        self.with(Ok(Predicate::BeginsWith(start.into())))
    }

    /// An array with this element, or a string with this part.
    pub fn contains(self, value: impl Serialize) -> Condition {
        self.with_value(value, Predicate::Contains)
    }

    /// A string in which the pattern, in the syntax of the `regex` crate, is found.
    pub fn matches(self, pattern: &str) -> Condition {
        self.with(Pattern::new(pattern).map(Predicate::Regex))
    }

    fn compare(self, comparison: Comparison, value: impl Serialize) -> Condition {
        self.with_value(value, |value| Predicate::Compare(comparison, value))
    }

    fn with_value(
        self,
        value: impl Serialize,
        predicate: impl FnOnce(Value) -> Predicate,
    ) -> Condition {
        self.with(operand(value).map(predicate))
    }

    fn with(self, predicate: Result<Predicate>) -> Condition {
        Condition(self.0.and_then(|path| {
            predicate
                .map_err(|error| error.with("field", &path))
                .map(|predicate| Filter::Field(path, predicate))
        }))
    }
}

impl Condition {
    /// Both are true.
    pub fn and(self, other: impl Into<Condition>) -> Self {
        self.join(other.into(), Filter::And)
    }

    /// One of them is true, or both.
    pub fn or(self, other: impl Into<Condition>) -> Self {
        self.join(other.into(), Filter::Or)
    }

    /// The filter.
    ///
    /// # Errors
    /// `Invalid` for a path that is none, an operand that is no JSON, or a
    /// pattern that does not compile.
    pub fn filter(self) -> Result<Filter> {
        self.0
    }

    fn join(self, other: Self, join: fn(Vec<Filter>) -> Filter) -> Self {
        Self(self.0.and_then(|mine| Ok(join(vec![mine, other.0?]))))
    }
}

impl Not for Condition {
    type Output = Self;

    /// The condition is false.
    fn not(self) -> Self {
        Self(self.0.map(|filter| Filter::Not(Box::new(filter))))
    }
}

impl From<Filter> for Condition {
    fn from(filter: Filter) -> Self {
        Self(Ok(filter))
    }
}

/// A value as in a document.
fn operand(value: impl Serialize) -> Result<Value> {
    let refuse = || Error::new(ErrorKind::Invalid, "make a filter", "the operand is no JSON value");
    let text = serde_json::to_string(&value).map_err(|source| refuse().caused_by(source))?;
    Value::parse(&text).map_err(|source| refuse().with("rule", source.rule).caused_by(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Status {
        ShuttingDown,
    }

    fn same(condition: Condition, json: &str) {
        assert_eq!(condition.filter().unwrap(), Filter::parse(json).unwrap(), "{json}");
    }

    #[test]
    fn each_operator_is_that_of_the_json_form() {
        same(field("a.b").eq("x"), r#"{"a.b": "x"}"#);
        same(field("a").eq(Status::ShuttingDown), r#"{"a": "shutting_down"}"#);
        same(field("a").eq(None::<u8>), r#"{"a": null}"#);
        same(field("a").ne(1), r#"{"a": {"$ne": 1}}"#);
        same(field("a").lt(1.5), r#"{"a": {"$lt": 1.5}}"#);
        same(field("a").le(u64::MAX), r#"{"a": {"$le": 18446744073709551615}}"#);
        same(field("a").gt("b"), r#"{"a": {"$gt": "b"}}"#);
        same(field("a").ge(-1), r#"{"a": {"$ge": -1}}"#);
        same(field("a").is_in(["x", "y"]), r#"{"a": {"$in": ["x", "y"]}}"#);
        same(field("a").exists(), r#"{"a": {"$exists": true}}"#);
        same(field("a").is_missing(), r#"{"a": {"$exists": false}}"#);
        same(field("a").begins_with("m-"), r#"{"a": {"$begins_with": "m-"}}"#);
        same(field("a").contains(7), r#"{"a": {"$contains": 7}}"#);
        same(field("a").matches("^m"), r#"{"a": {"$regex": "^m"}}"#);
        same(!field("a").eq(1), r#"{"$not": {"a": 1}}"#);
        let filter = Filter::parse(r#"{"b": 2}"#).unwrap();
        same(field("a").eq(1).and(filter.clone()), r#"{"$and": [{"a": 1}, {"b": 2}]}"#);
        same(field("a").eq(1).or(filter), r#"{"$or": [{"a": 1}, {"b": 2}]}"#);
    }

    #[test]
    fn an_operand_is_never_read_as_part_of_a_filter() {
        let hostile = r#"x", "$or": [{}], "y": {"$ne": "z"#;
        let filter = field("id").eq(hostile).filter().unwrap();
        assert_eq!(
            filter,
            Filter::eq(FieldPath::parse("id").unwrap(), Value::String(hostile.into()))
        );
    }

    #[test]
    fn what_is_wrong_is_reported_with_the_field() {
        for wrong in [field("a..b").eq(1), field("_version").eq(1), field("a").matches("(")] {
            assert_eq!(wrong.filter().unwrap_err().kind(), ErrorKind::Invalid);
        }
        let deep = (0..40).fold(serde_json::Value::from(1), |inner, _| vec![inner].into());
        let error = field("a").eq(1).and(!field("b").eq(deep)).filter().unwrap_err();
        assert_eq!(error.context_value("field"), Some("b"));
    }
}
