//! The types of Extended JSON v2 as plain JSON.
//!
//! Source: the MongoDB specification "Extended JSON", version 2.

use std::collections::BTreeMap;

use repo_core::strategy::bytes_of_base64;
use repo_core::{Decimal, Timestamp, Value};

use super::broken::{Broken, step};

type Fields = BTreeMap<String, Value>;

/// The subtype of a UUID.
const UUID_SUBTYPES: [&str; 2] = ["04", "4"];

/// What is refused, with what it is.
const WITHOUT_FORM: [(&str, &str); 7] = [
    ("$code", "code"),
    ("$dbPointer", "a pointer to a document"),
    ("$maxKey", "the largest key"),
    ("$minKey", "the smallest key"),
    ("$regularExpression", "a regular expression"),
    ("$scope", "code"),
    ("$undefined", "the undefined value"),
];

/// A value without the types of Extended JSON.
pub(super) fn plain(value: Value, pointer: &str) -> Result<Value, Broken> {
    match value {
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(at, item)| plain(item, &step(pointer, &at.to_string())));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(fields) => match fields.keys().find(|name| name.starts_with('$')) {
            None => each(fields, pointer),
            // By convention a reference to a document is an object with these fields.
            Some(_) if fields.contains_key("$ref") && fields.contains_key("$id") => {
                each(fields, pointer)
            }
            Some(name) => {
                let name = name.clone();
                typed(&name, fields, pointer)
            }
        },
        other => Ok(other),
    }
}

fn each(fields: Fields, pointer: &str) -> Result<Value, Broken> {
    let fields = fields.into_iter().map(|(name, value)| {
        let value = plain(value, &step(pointer, &name))?;
        Ok((name, value))
    });
    fields.collect::<Result<_, _>>().map(Value::Object)
}

/// A value of the type that `name` says.
fn typed(name: &str, mut fields: Fields, pointer: &str) -> Result<Value, Broken> {
    let refuse = |why: String| Err(Broken::new(why, pointer.to_owned()));
    if let Some((_, what)) = WITHOUT_FORM.iter().find(|(known, _)| *known == name) {
        return refuse(format!("{what} has no form in JSON"));
    }
    let value = fields.remove(name).unwrap_or(Value::Null);
    if let Some(other) = fields.keys().next() {
        return refuse(format!("{name} stands beside {other}, which is no Extended JSON v2"));
    }
    let made = match (name, value) {
        ("$oid" | "$symbol" | "$uuid", Value::String(text)) => Some(Value::String(text)),
        ("$numberInt" | "$numberLong", Value::String(text)) => whole(&text),
        ("$numberDouble" | "$numberDecimal", Value::String(text)) => match text.as_str() {
            "NaN" | "Infinity" | "-Infinity" => {
                return refuse(format!("{text} has no form in JSON"));
            }
            text => return decimal(text).map_or_else(refuse, Ok),
        },
        ("$date", value) => return date(value).map_or_else(refuse, Ok),
        ("$timestamp", Value::Object(parts)) => timestamp(parts),
        ("$binary", Value::Object(parts)) => match uuid(parts) {
            Some(uuid) => Some(Value::String(uuid)),
            None => return refuse("bytes have no form in JSON".to_owned()),
        },
        _ => None,
    };
    let Some(made) = made else {
        return refuse(format!("{name} is no type of Extended JSON v2, or has another value"));
    };
    Ok(made)
}

fn whole(text: &str) -> Option<Value> {
    let number: i64 = text.parse().ok()?;
    Some(Value::Number(Decimal::from(number)))
}

fn decimal(text: &str) -> Result<Value, String> {
    use repo_core::DecimalError::{Malformed, OutOfRange, TooManyDigits};
    Decimal::parse(text).map(Value::Number).map_err(|error| match error {
        TooManyDigits => "a number has more than 38 significant digits".to_owned(),
        OutOfRange => {
            "a number lies outside ±9.99…E+125 or is nearer to zero than 1E-130".to_owned()
        }
        Malformed => "a number is malformed".to_owned(),
    })
}

/// A time as RFC 3339 in UTC with microseconds.
fn date(value: Value) -> Result<Value, String> {
    let time = match value {
        Value::String(text) => Timestamp::parse(&text).ok(),
        Value::Object(mut fields) if fields.len() == 1 => match fields.remove("$numberLong") {
            Some(Value::String(millis)) => millis
                .parse::<i64>()
                .ok()
                .and_then(|millis| millis.checked_mul(1_000))
                .and_then(|micros| Timestamp::from_micros(micros).ok()),
            _ => None,
        },
        _ => None,
    };
    let text = time.map(|time| time.to_string());
    match text.filter(|text| !text.starts_with('-')) {
        Some(text) => Ok(Value::String(text)),
        None => Err("a date is malformed, or lies outside the years 0 to 9999".to_owned()),
    }
}

/// A mark of replication is its two numbers.
fn timestamp(parts: Fields) -> Option<Value> {
    let is_number = |name: &str| matches!(parts.get(name), Some(Value::Number(_)));
    (parts.len() == 2 && is_number("t") && is_number("i")).then(|| Value::Object(parts.clone()))
}

/// The text of a UUID; `None` for other bytes.
fn uuid(parts: Fields) -> Option<String> {
    let text = |name: &str| parts.get(name).and_then(Value::as_str);
    let subtype = text("subType").filter(|subtype| UUID_SUBTYPES.contains(subtype));
    let bytes = bytes_of_base64(text("base64").filter(|_| subtype.is_some())?)?;
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?];
    Some(format!("{}-{}", parts.join("-"), hex.get(20..)?))
}
