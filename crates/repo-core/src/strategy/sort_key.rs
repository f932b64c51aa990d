//! The one total order of values, as bytes that compare like the values: the
//! rank of the type, then sign, exponent and digits, or UTF-8 text.
//!
//! Sorting, cursors and index keys all use it, because no store orders all
//! values as the contract does: SQLite, for one, compares integers of 20 digits
//! as floats. An order that no index of a store gives is computed for each
//! candidate.

use crate::{Decimal, Value};

/// A value's place in the order that every strategy sorts by: missing, null,
/// false, true, numbers, strings (UTF-8 bytes), arrays, objects. Arrays tie
/// with arrays and objects with objects.
///
/// The bytes compare as the values do, so that a store can keep and compare
/// them itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SortKey(Vec<u8>);

/// What a [`SortKey`] says of its value: all that decides the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    /// There is no value.
    Missing,
    /// `null`
    Null,
    /// `false` or `true`
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// A string.
    Text(String),
    /// Some array.
    Array,
    /// Some object.
    Object,
}

impl SortKey {
    /// The value as far as it decides the order, for a store that compares by
    /// itself. `None` for bytes that [`of`](Self::of) never gives.
    #[must_use]
    pub fn value(&self) -> Option<SortValue> {
        let (kind, rest) = self.0.split_first()?;
        match (kind, rest) {
            (0, []) => Some(SortValue::Missing),
            (1, []) => Some(SortValue::Null),
            (2 | 3, []) => Some(SortValue::Bool(*kind == 3)),
            (4, rest) => Decimal::from_sort_bytes(rest).map(SortValue::Number),
            (5, rest) => String::from_utf8(rest.to_vec()).ok().map(SortValue::Text),
            (6, []) => Some(SortValue::Array),
            (7, []) => Some(SortValue::Object),
            _ => None,
        }
    }

    /// The key of the value at a field, `None` for a missing field.
    #[must_use]
    pub fn of(value: Option<&Value>) -> Self {
        let mut bytes = Vec::new();
        match value {
            None => bytes.push(0),
            Some(Value::Null) => bytes.push(1),
            Some(Value::Bool(false)) => bytes.push(2),
            Some(Value::Bool(true)) => bytes.push(3),
            Some(Value::Number(number)) => {
                bytes.push(4);
                Decimal::push_sort_bytes(*number, &mut bytes);
            }
            Some(Value::String(text)) => {
                bytes.push(5);
                bytes.extend(text.bytes());
            }
            Some(Value::Array(_)) => bytes.push(6),
            Some(Value::Object(_)) => bytes.push(7),
        }
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From bytes that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_the_order_of_the_contract() {
        let ordered = [
            "null",
            "false",
            "true",
            "-1e100",
            "-12",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "1e-130",
            "0.5",
            "1",
            "1.5",
            "12",
            "100",
            "99999999999999999999",
            "100000000000000000000",
            "\"\"",
            "\"B\"",
            "\"Z\"",
            "\"_\"",
            "\"a\"",
            "\"a-b\"",
            "\"ab\"",
            "\"é\"",
            "[]",
            "{}",
        ];
        let mut keys = vec![SortKey::of(None)];
        keys.extend(ordered.map(|text| SortKey::of(Some(&Value::parse(text).unwrap()))));
        for (at, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{at}: {:?}", ordered.get(at));
        }
        for text in ordered {
            let value = Value::parse(text).unwrap();
            let expected = match &value {
                Value::Null => SortValue::Null,
                Value::Bool(value) => SortValue::Bool(*value),
                Value::Number(number) => SortValue::Number(*number),
                Value::String(text) => SortValue::Text(text.clone()),
                Value::Array(_) => SortValue::Array,
                Value::Object(_) => SortValue::Object,
            };
            assert_eq!(SortKey::of(Some(&value)).value(), Some(expected), "{text}");
        }
        assert_eq!(SortKey::of(None).value(), Some(SortValue::Missing));
        for forged in [&[][..], &[0, 0], &[4], &[4, 2, 9], &[4, 0, 1], &[4, 2, 130, b'x'], &[8]] {
            assert_eq!(SortKey::from_bytes(forged.to_vec()).value(), None, "{forged:?}");
        }
        let tie = |a: &str, b: &str| {
            assert_eq!(
                SortKey::of(Some(&Value::parse(a).unwrap())),
                SortKey::of(Some(&Value::parse(b).unwrap()))
            );
        };
        tie("[1]", "[]");
        tie("{\"a\":1}", "{}");
        tie("1.50", "15e-1");
    }
}
