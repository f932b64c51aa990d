//! Mongo's selectors, with Mongo's meaning: a condition on an array holds if it holds for an
//! element, and null equals what is not there.

use std::cmp::Ordering;

use repo_core::{Comparison, FieldPath, Filter, Pattern, Predicate, Value};
use repo_data::model::Datapoint;

use crate::http::ApiError;

/// Conditions within conditions, at most.
const DEPTH: usize = 20;

/// A selector that was read.
#[derive(Debug)]
pub(super) enum Selector {
    /// All of these.
    And(Vec<Selector>),
    /// One of these.
    Or(Vec<Selector>),
    /// Not this.
    Not(Box<Selector>),
    /// The values at a path.
    Field(Vec<String>, Test),
}

/// What a value has to be.
#[derive(Debug)]
pub(super) enum Test {
    /// Equal to this, or an array with it; null for what is not there.
    Equals(Value),
    /// Compared so with a number or a text.
    Compares(Comparison, Value),
    /// Equal to one of these.
    In(Vec<Value>),
    /// There, or not there.
    Exists(bool),
    /// A text in which this is found.
    Matches(Pattern),
}

fn wrong(why: impl Into<String>) -> ApiError {
    ApiError::bad_request(why)
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// 400 for an operator that is not known, and for operands of another shape.
    pub(super) fn parse(value: &Value) -> Result<Self, ApiError> {
        selector(value, 0)
    }

    /// Whether a datapoint on the wire matches.
    #[must_use]
    pub(super) fn matches(&self, document: &Value) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(document)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(document)),
            Self::Not(part) => !part.matches(document),
            Self::Field(path, test) => {
                let mut found = Vec::new();
                walk(document, path, &mut found);
                test.holds(&found)
            }
        }
    }

    /// A filter that holds for whatever matches, and for more: what the store can look up.
    ///
    /// # Errors
    /// None that can happen.
    pub(super) fn superset(&self) -> Result<Filter, ApiError> {
        Ok(match self {
            Self::And(parts) => {
                Filter::And(parts.iter().map(Self::superset).collect::<Result<_, _>>()?)
            }
            Self::Field(path, test) => match (path.as_slice(), test.on_text()) {
                // These are texts in every datapoint, never arrays.
                ([one], Some(predicate))
                    if matches!(
                        one.as_str(),
                        "_id" | "datapoint_id" | "data_type" | "data_timestamp"
                    ) =>
                {
                    Filter::Field(FieldPath::parse(&Datapoint::stored_path(one))?, predicate)
                }
                _ => Filter::default(),
            },
            _ => Filter::default(),
        })
    }
}

impl Test {
    fn holds(&self, found: &[Option<&Value>]) -> bool {
        let any = |holds: &dyn Fn(&Value) -> bool| {
            found.iter().flatten().any(|value| match value {
                Value::Array(elements) => holds(value) || elements.iter().any(holds),
                value => holds(value),
            })
        };
        let equals = |wanted: &Value| {
            let missing = *wanted == Value::Null && found.iter().any(Option::is_none);
            missing || any(&|value| value == wanted)
        };
        match self {
            Self::Equals(wanted) => equals(wanted),
            Self::In(wanted) => wanted.iter().any(equals),
            Self::Exists(there) => found.iter().any(Option::is_some) == *there,
            Self::Compares(comparison, wanted) => {
                any(&|value| compare(value, wanted).is_some_and(|order| comparison.accepts(order)))
            }
            Self::Matches(pattern) => {
                any(&|value| value.as_str().is_some_and(|text| pattern.is_match(text)))
            }
        }
    }

    /// The same for a field that is a text.
    fn on_text(&self) -> Option<Predicate> {
        let is_text = |value: &Value| value.as_str().is_some();
        match self {
            Self::Equals(value) if is_text(value) => Some(Predicate::Eq(value.clone())),
            Self::In(values) if values.iter().all(is_text) => Some(Predicate::In(values.clone())),
            Self::Compares(how, value) if is_text(value) => {
                Some(Predicate::Compare(*how, value.clone()))
            }
            _ => None,
        }
    }
}

/// The order of two values of one kind; none of others.
fn compare(value: &Value, other: &Value) -> Option<Ordering> {
    match (value, other) {
        (Value::Number(one), Value::Number(other)) => Some(one.cmp(other)),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The values at a path; `None` for each place where there is none.
fn walk<'v>(value: &'v Value, path: &[String], found: &mut Vec<Option<&'v Value>>) {
    let Some((step, rest)) = path.split_first() else {
        found.push(Some(value));
        return;
    };
    match value {
        Value::Object(fields) => match fields.get(step) {
            Some(inner) => walk(inner, rest, found),
            None => found.push(None),
        },
        Value::Array(elements) => {
            let before = found.len();
            if let Some(element) = step.parse::<usize>().ok().and_then(|at| elements.get(at)) {
                walk(element, rest, found);
            }
            for element in elements.iter().filter(|one| matches!(one, Value::Object(_))) {
                walk(element, path, found);
            }
            if found.len() == before {
                found.push(None);
            }
        }
        _ => found.push(None),
    }
}

fn selector(value: &Value, depth: usize) -> Result<Selector, ApiError> {
    if depth > DEPTH {
        return Err(wrong("the selector is nested too deeply"));
    }
    let Value::Object(fields) = value else { return Err(wrong("a selector is a JSON object")) };
    let mut parts = Vec::new();
    for (name, operand) in fields.iter() {
        parts.push(match name.as_str() {
            "$and" => Selector::And(list(name, operand, depth)?),
            "$or" => Selector::Or(list(name, operand, depth)?),
            "$nor" => Selector::Not(Box::new(Selector::Or(list(name, operand, depth)?))),
            "$not" => Selector::Not(Box::new(selector(operand, depth + 1)?)),
            other if other.starts_with('$') => return Err(unknown(other)),
            field => on_field(field, operand, depth)?,
        });
    }
    Ok(Selector::And(parts))
}

fn unknown(name: &str) -> ApiError {
    wrong(format!("the operator {name} is not known"))
        .remedy("known are $and $or $nor $not $eq $ne $gt $gte $lt $lte $in $nin $exists $regex")
}

fn list(name: &str, operand: &Value, depth: usize) -> Result<Vec<Selector>, ApiError> {
    match operand {
        Value::Array(parts) if !parts.is_empty() => {
            parts.iter().map(|part| selector(part, depth + 1)).collect()
        }
        _ => Err(wrong(format!("{name} takes a list of selectors that is not empty"))),
    }
}

fn on_field(field: &str, operand: &Value, depth: usize) -> Result<Selector, ApiError> {
    let path: Vec<String> = field.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(wrong("a path has no empty step"));
    }
    match operand {
        Value::Object(operators) if operators.keys().any(|name| name.starts_with('$')) => {
            let mut parts = Vec::new();
            for (name, value) in operators.iter() {
                // Read with `$regex`.
                if name == "$options" && operators.contains_key("$regex") {
                    continue;
                }
                let options = operators.get("$options");
                parts.push(operator(&path, name, (value, options), depth)?);
            }
            Ok(Selector::And(parts))
        }
        value => Ok(Selector::Field(path, Test::Equals(value.clone()))),
    }
}

fn operator(
    path: &[String],
    name: &str,
    (value, options): (&Value, Option<&Value>),
    depth: usize,
) -> Result<Selector, ApiError> {
    if depth > DEPTH {
        return Err(wrong("the selector is nested too deeply"));
    }
    let field = |test| Selector::Field(path.to_vec(), test);
    let not = |test| Selector::Not(Box::new(field(test)));
    let several = || match value {
        Value::Array(values) => Ok(values.clone()),
        _ => Err(wrong(format!("{name} takes a list"))),
    };
    let compares = |comparison| match value {
        Value::Number(_) | Value::String(_) | Value::Bool(_) => {
            Ok(field(Test::Compares(comparison, value.clone())))
        }
        _ => Err(wrong(format!("{name} compares with a number, a text, true or false"))),
    };
    match name {
        "$eq" => Ok(field(Test::Equals(value.clone()))),
        "$ne" => Ok(not(Test::Equals(value.clone()))),
        "$in" => Ok(field(Test::In(several()?))),
        "$nin" => Ok(not(Test::In(several()?))),
        "$gt" => compares(Comparison::Greater),
        "$gte" => compares(Comparison::GreaterOrEqual),
        "$lt" => compares(Comparison::Less),
        "$lte" => compares(Comparison::LessOrEqual),
        "$exists" => Ok(field(Test::Exists(truth(value)))),
        "$regex" => Ok(field(Test::Matches(pattern(value, options)?))),
        "$not" => match value {
            Value::Object(inner) if inner.keys().all(|name| name.starts_with('$')) => {
                let inner = on_field(&path.join("."), value, depth + 1)?;
                Ok(Selector::Not(Box::new(inner)))
            }
            _ => Err(wrong("$not takes an object of operators")),
        },
        other => Err(unknown(other)),
    }
}

/// As Mongo reads `$exists`: 0, null and false are false.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.to_string() != "0",
        _ => true,
    }
}

fn pattern(value: &Value, options: Option<&Value>) -> Result<Pattern, ApiError> {
    let Some(text) = value.as_str() else { return Err(wrong("$regex takes a text")) };
    let options = match options {
        None => "",
        Some(options) => options.as_str().ok_or_else(|| wrong("$options is a text"))?,
    };
    if !options.chars().all(|option| matches!(option, 'i' | 'm' | 's' | 'x')) {
        return Err(wrong("$options knows i, m, s and x"));
    }
    let flags = if options.is_empty() { String::new() } else { format!("(?{options})") };
    Ok(Pattern::new(&format!("{flags}{text}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"_id":"01A","label":"T","data_type":"json","data_timestamp":"2026-11-28",
        "value":{"temperature":23.5,"tags":["a","b"],"runs":[{"n":1},{"n":5},{}],"none":null}}"#;

    fn matches(text: &str) -> bool {
        let selector = Selector::parse(&Value::parse(text).unwrap()).unwrap();
        let holds = selector.matches(&Value::parse(DOCUMENT).unwrap());
        // What the store is asked for has whatever matches.
        let stored =
            repo_core::Document::parse(&DOCUMENT.replace("_id", "id").replace('\n', "")).unwrap();
        assert!(!holds || selector.superset().unwrap().matches(&stored), "{text}");
        holds
    }

    #[test]
    fn it_means_what_mongo_means() {
        for text in [
            "{}",
            r#"{"data_type":"json"}"#,
            r#"{"_id":{"$in":["01A","x"]}}"#,
            r#"{"value.temperature":{"$gt":20,"$lte":23.50}}"#,
            r#"{"value.tags":"a"}"#,
            r#"{"value.tags":["a","b"]}"#,
            r#"{"value.tags.1":"b"}"#,
            r#"{"value.runs.n":5}"#,
            r#"{"value.runs.n":null}"#,
            r#"{"value.none":null,"value.missing":null}"#,
            r#"{"value.missing":{"$exists":false},"value.none":{"$exists":true}}"#,
            r#"{"value.missing":{"$ne":1}}"#,
            r#"{"label":{"$regex":"^t$","$options":"i"}}"#,
            r#"{"$nor":[{"label":"x"},{"label":"y"}]}"#,
            r#"{"value.temperature":{"$not":{"$lt":20}}}"#,
            r#"{"value.missing":{"$nin":[1]},"data_timestamp":{"$gte":"2026"}}"#,
            r#"{"$or":[{"label":"x"},{"value.runs.n":{"$gt":4}}]}"#,
        ] {
            assert!(matches(text), "{text}");
        }
        for text in [
            r#"{"value.temperature":{"$gt":"20"}}"#,
            r#"{"value.tags":["b","a"]}"#,
            r#"{"value.tags":{"$ne":"a"}}"#,
            r#"{"value.missing":{"$gt":0}}"#,
            r#"{"label":{"$regex":"^t$"}}"#,
            r#"{"value.none":{"$in":[]}}"#,
            r#"{"_id":{"$lt":"01A"}}"#,
        ] {
            assert!(!matches(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "[]",
            r#"{"a":{"$where":"1"}}"#,
            r#"{"$expr":{}}"#,
            r#"{"a":{"$in":1}}"#,
            r#"{"$or":[]}"#,
            r#"{"a":{"$regex":"("}}"#,
            r#"{"a":{"$regex":"a","$options":"g"}}"#,
            r#"{"a":{"$eq":1,"b":2}}"#,
            r#"{"a..b":1}"#,
            r#"{"a":{"$gt":{}}}"#,
        ] {
            assert!(Selector::parse(&Value::parse(text).unwrap()).is_err(), "{text}");
        }
        let deep = format!("{}{}{}", r#"{"$not":"#.repeat(25), "{}", "}".repeat(25));
        assert!(Selector::parse(&Value::parse(&deep).unwrap()).is_err());
    }
}
