//! The order of values in BSON, as far as JSON has them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use repo_core::Value;

/// The place of a type in the order of types. Comparisons in a selector stay within one.
pub(super) fn type_rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Object(_) => 3,
        Value::Array(_) => 4,
        Value::Bool(_) => 5,
    }
}

/// The order of all values. Equal here is equal as JSON.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => compare_arrays(left, right),
        (Value::Object(left), Value::Object(right)) => compare_objects(left, right),
        _ => type_rank(left).cmp(&type_rank(right)),
    }
}

fn compare_arrays(left: &[Value], right: &[Value]) -> Ordering {
    let pairs = left.iter().zip(right);
    let differing = pairs.map(|(left, right)| compare(left, right)).find(|order| order.is_ne());
    differing.unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// Member by member: first the type of the value, then the key, then the value.
fn compare_objects(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> Ordering {
    for ((left_key, left), (right_key, right)) in left.iter().zip(right) {
        let order = type_rank(left)
            .cmp(&type_rank(right))
            .then_with(|| left_key.cmp(right_key))
            .then_with(|| compare(left, right));
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}
