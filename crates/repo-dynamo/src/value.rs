//! JSON values as DynamoDB attributes and back. Numbers stay decimal text on
//! the whole way; no float is involved.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::base64_of;
use repo_core::{Decimal, Value};
use serde_json::{Value as Json, json};

/// The attribute of a value.
pub(crate) fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(to_attribute).collect()),
        Value::Object(fields) => AttributeValue::M(
            fields.into_iter().map(|(name, value)| (name, to_attribute(value))).collect(),
        ),
    }
}

/// The bytes of an item by DynamoDB's formula: names and values of all attributes.
pub(crate) fn bytes_of(item: &HashMap<String, AttributeValue>) -> usize {
    item.iter().map(|(name, value)| name.len() + attribute_bytes(value)).sum()
}

fn attribute_bytes(attribute: &AttributeValue) -> usize {
    match attribute {
        AttributeValue::S(text) => text.len(),
        // Two digits a byte, a byte for the sign and one for the exponent.
        AttributeValue::N(text) => text.len().div_ceil(2) + 2,
        AttributeValue::L(items) => {
            3 + items.iter().map(|item| 1 + attribute_bytes(item)).sum::<usize>()
        }
        AttributeValue::M(fields) => 3 + fields.len() + bytes_of(fields),
        _ => 1,
    }
}

/// The JSON text of an attribute; the word of what no JSON value is made of.
/// Numbers stand as DynamoDB wrote them, keys in order.
pub(crate) fn to_json(attribute: &AttributeValue) -> Result<String, &'static str> {
    let mut json = String::new();
    push(&mut json, attribute, Sets::Refused)?;
    Ok(json)
}

/// Appends the JSON text of an attribute of another program: a set becomes an array in
/// the order of its values, since DynamoDB gives it in any order.
///
/// # Errors
/// The word of what no JSON value is made of.
pub(crate) fn push_foreign(
    out: &mut String,
    attribute: &AttributeValue,
) -> Result<(), &'static str> {
    push(out, attribute, Sets::Arrays)
}

/// What becomes of sets, of which we write none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sets {
    Refused,
    Arrays,
}

/// An item in DynamoDB's own JSON: every attribute with the letter of its type,
/// bytes as base64.
pub(crate) fn as_stored(item: &HashMap<String, AttributeValue>) -> Json {
    item.iter().map(|(name, value)| (name.clone(), stored(value))).collect()
}

fn stored(attribute: &AttributeValue) -> Json {
    match attribute {
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::N(text) => json!({ "N": text }),
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(stored).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => json!({ "M": as_stored(fields) }),
        AttributeValue::B(bytes) => json!({ "B": base64_of(bytes.as_ref()) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(texts) => json!({ "NS": texts }),
        AttributeValue::Bs(all) => {
            json!({ "BS": all.iter().map(|bytes| base64_of(bytes.as_ref())).collect::<Vec<_>>() })
        }
        other => json!({ "unknown": format!("{other:?}") }),
    }
}

fn push(out: &mut String, attribute: &AttributeValue, sets: Sets) -> Result<(), &'static str> {
    match attribute {
        AttributeValue::Null(_) => out.push_str("null"),
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // DynamoDB may write a number as `1E+2`; JSON has that as well.
        AttributeValue::N(text) if Decimal::parse(text).is_ok() => out.push_str(text),
        AttributeValue::N(_) => return Err("a number that is no decimal"),
        AttributeValue::S(text) => push_text(out, text)?,
        AttributeValue::L(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                push(out, item, sets)?;
            }
            out.push(']');
        }
        AttributeValue::M(fields) => push_object(out, fields, sets)?,
        AttributeValue::Ss(texts) if sets == Sets::Arrays => push_texts(out, texts)?,
        AttributeValue::Ns(numbers) if sets == Sets::Arrays => push_numbers(out, numbers)?,
        AttributeValue::B(_) => return Err("a binary value"),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            return Err("a set");
        }
        _ => return Err("an attribute of an unknown type"),
    }
    Ok(())
}

fn push_texts(out: &mut String, texts: &[String]) -> Result<(), &'static str> {
    let mut texts: Vec<&String> = texts.iter().collect();
    texts.sort_unstable();
    out.push('[');
    for (at, text) in texts.into_iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        push_text(out, text)?;
    }
    out.push(']');
    Ok(())
}

fn push_numbers(out: &mut String, numbers: &[String]) -> Result<(), &'static str> {
    let read = |text: &String| Decimal::parse(text).map_err(|_| "a number that is no decimal");
    let mut numbers: Vec<Decimal> = numbers.iter().map(read).collect::<Result<_, _>>()?;
    numbers.sort_unstable();
    out.push('[');
    for (at, number) in numbers.into_iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&number.to_string());
    }
    out.push(']');
    Ok(())
}

fn push_object(
    out: &mut String,
    fields: &HashMap<String, AttributeValue>,
    sets: Sets,
) -> Result<(), &'static str> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    out.push('{');
    for (at, (name, value)) in fields.into_iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        push_text(out, name)?;
        out.push(':');
        push(out, value, sets)?;
    }
    out.push('}');
    Ok(())
}

fn push_text(out: &mut String, text: &str) -> Result<(), &'static str> {
    if !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return Ok(());
    }
    out.push_str(&serde_json::to_string(text).map_err(|_| "a text that is no JSON")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use repo_core::Document;

    use super::*;

    fn values() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            ("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"),
            any::<String>()
                .prop_map(|text| { serde_json::to_string(&text.replace('\0', "")).unwrap() }),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::btree_map("[a-zé.$ ]{1,6}", inner, 0..6).prop_map(|fields| {
                    let fields: Vec<String> = fields
                        .iter()
                        .map(|(name, value)| format!("{}:{value}", serde_json::json!(name)))
                        .collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back_equal(text in values()) {
            let value = Value::parse(&text).unwrap();
            let back = to_json(&to_attribute(value.clone())).unwrap();
            prop_assert_eq!(Value::parse(&back).unwrap(), value);
            let document = Document::parse(&format!("{{\"id\":\"x\",\"v\":{text}}}")).unwrap();
            let same = Document::parse(&format!("{{\"v\":{back},\"id\":\"x\"}}")).unwrap();
            prop_assert_eq!(document.digest(), same.digest());
        }
    }

    #[test]
    fn numbers_stand_as_dynamodb_wrote_them() {
        for text in ["1E+2", "-0", "1.50", "1E-130", "12345678901234567890123456789012345678"] {
            let json = to_json(&AttributeValue::N(text.to_owned())).unwrap();
            assert_eq!(json, text);
            assert!(Value::parse(&json).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_named() {
        let set = AttributeValue::L(vec![AttributeValue::Ss(vec!["a".to_owned()])]);
        assert_eq!(to_json(&set), Err("a set"));
        let bytes = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([1_u8]));
        assert_eq!(to_json(&bytes), Err("a binary value"));
        let number = AttributeValue::N("NaN".to_owned());
        assert_eq!(to_json(&number), Err("a number that is no decimal"));
    }
}
