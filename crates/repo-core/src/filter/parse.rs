//! The JSON form of filters, as operators write it.

use std::collections::BTreeMap;

use super::{Comparison, Filter, Pattern, Predicate};
use crate::{Error, ErrorKind, FieldPath, Result, Value};

const LOGIC: [&str; 3] = ["$and", "$or", "$not"];
const PREDICATES: [&str; 12] = [
    "$eq",
    "$ne",
    "$lt",
    "$le",
    "$gt",
    "$ge",
    "$in",
    "$exists",
    "$begins_with",
    "$contains",
    "$regex",
    "$not",
];

impl Filter {
    /// Reads the JSON form.
    ///
    /// ```
    /// use repo_core::{Document, Filter};
    ///
    /// let filter = Filter::parse(r#"{"status": {"$in": ["RUNNING"]}, "price": {"$lt": 0.5}}"#)?;
    /// assert!(filter.matches(&Document::parse(r#"{"status":"RUNNING","price":0.25}"#)?));
    /// assert!(Filter::parse(r#"{"price": {"$below": 1}}"#).is_err());
    /// # Ok::<(), repo_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for anything that is not a filter: an unknown operator, an
    /// operand of the wrong shape, a broken pattern. The context has the place
    /// as JSON Pointer.
    pub fn parse(text: &str) -> Result<Self> {
        let value = Value::parse(text).map_err(|error| {
            refuse("", &error.rule.to_string()).with("byte", error.offset).caused_by(error)
        })?;
        Self::from_value(&value)
    }

    /// Reads the parsed JSON form.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_value(value: &Value) -> Result<Self> {
        filter(value, "")
    }
}

fn refuse(pointer: &str, why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a filter", why).with("pointer", pointer)
}

fn filter(value: &Value, at: &str) -> Result<Filter> {
    let Value::Object(members) = value else {
        return Err(refuse(at, "a filter is an object of conditions"));
    };
    let parts: Vec<Filter> = members
        .iter()
        .map(|(key, value)| condition(key, value, &format!("{at}/{key}")))
        .collect::<Result<_>>()?;
    Ok(single_or_and(parts))
}

fn single_or_and(mut parts: Vec<Filter>) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => Filter::And(parts),
    }
}

fn condition(key: &str, value: &Value, at: &str) -> Result<Filter> {
    match key {
        "$and" => Ok(Filter::And(filters(value, at)?)),
        "$or" => Ok(Filter::Or(filters(value, at)?)),
        "$not" => Ok(Filter::Not(Box::new(filter(value, at)?))),
        _ if key.starts_with('$') => Err(unknown_operator(key, at, &LOGIC)),
        _ => {
            let path = FieldPath::parse(key).map_err(|error| refuse(at, error.message()))?;
            field(&path, value, at)
        }
    }
}

fn filters(value: &Value, at: &str) -> Result<Vec<Filter>> {
    let Value::Array(items) = value else {
        return Err(refuse(at, "the operand is an array of filters"));
    };
    items.iter().enumerate().map(|(i, item)| filter(item, &format!("{at}/{i}"))).collect()
}

/// A bare value is `$eq`; an object of operators is all of them.
fn field(path: &FieldPath, value: &Value, at: &str) -> Result<Filter> {
    match value {
        Value::Object(members) if members.keys().any(|key| key.starts_with('$')) => {
            operators(path, members, at)
        }
        bare => Ok(Filter::eq(path.clone(), bare.clone())),
    }
}

fn operators(path: &FieldPath, members: &BTreeMap<String, Value>, at: &str) -> Result<Filter> {
    let parts: Vec<Filter> = members
        .iter()
        .map(|(name, operand)| operator(path, name, operand, &format!("{at}/{name}")))
        .collect::<Result<_>>()?;
    Ok(single_or_and(parts))
}

fn operator(path: &FieldPath, name: &str, operand: &Value, at: &str) -> Result<Filter> {
    let compare = |comparison| Predicate::Compare(comparison, operand.clone());
    let predicate = match name {
        "$eq" => Predicate::Eq(operand.clone()),
        "$ne" => {
            let equal = Filter::eq(path.clone(), operand.clone());
            return Ok(Filter::Not(Box::new(equal)));
        }
        "$not" => {
            let Value::Object(members) = operand else {
                return Err(refuse(at, "the operand is an object of operators"));
            };
            return Ok(Filter::Not(Box::new(operators(path, members, at)?)));
        }
        "$lt" => compare(Comparison::Less),
        "$le" => compare(Comparison::LessOrEqual),
        "$gt" => compare(Comparison::Greater),
        "$ge" => compare(Comparison::GreaterOrEqual),
        "$in" => match operand {
            Value::Array(values) => Predicate::In(values.clone()),
            _ => return Err(refuse(at, "the operand is an array of values")),
        },
        "$exists" => match operand {
            Value::Bool(exists) => Predicate::Exists(*exists),
            _ => return Err(refuse(at, "the operand is true or false")),
        },
        "$begins_with" => Predicate::BeginsWith(text(operand, at)?.to_owned()),
        "$contains" => Predicate::Contains(operand.clone()),
        "$regex" => {
            let pattern = Pattern::new(text(operand, at)?);
            Predicate::Regex(pattern.map_err(|error| error.with("pointer", at))?)
        }
        _ => return Err(unknown_operator(name, at, &PREDICATES)),
    };
    Ok(Filter::Field(path.clone(), predicate))
}

fn text<'a>(operand: &'a Value, at: &str) -> Result<&'a str> {
    operand.as_str().ok_or_else(|| refuse(at, "the operand is a string"))
}

fn unknown_operator(name: &str, at: &str, known: &[&str]) -> Error {
    let error = if name.starts_with('$') {
        refuse(at, "unknown operator").with("operator", name)
    } else {
        refuse(at, "operators and plain keys cannot be mixed").with("key", name)
    };
    error.hint(format!("the operators here are {}", known.join(", ")))
}
