//! JSON values as DynamoDB attributes and back. Numbers stay decimal text on
//! the whole way; no float is involved.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::{Decimal, Value};

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

/// The value of an attribute; the word of what no JSON value is made of.
pub(crate) fn to_value(attribute: &AttributeValue) -> Result<Value, &'static str> {
    Ok(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(value) => Value::Bool(*value),
        AttributeValue::N(text) => Value::Number(number(text)?),
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(items) => {
            Value::Array(items.iter().map(to_value).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(fields) => Value::Object(object(fields)?),
        AttributeValue::B(_) => return Err("a binary value"),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            return Err("a set");
        }
        _ => return Err("an attribute of an unknown type"),
    })
}

fn object(
    fields: &HashMap<String, AttributeValue>,
) -> Result<BTreeMap<String, Value>, &'static str> {
    fields.iter().map(|(name, value)| Ok((name.clone(), to_value(value)?))).collect()
}

/// DynamoDB may write a number as `1E+2`; JSON reads that as well.
fn number(text: &str) -> Result<Decimal, &'static str> {
    Decimal::parse(text).map_err(|_| "a number that is no decimal")
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
            let back = to_value(&to_attribute(value.clone())).unwrap();
            prop_assert_eq!(&back, &value);
            let document = Document::parse(&format!("{{\"id\":\"x\",\"v\":{text}}}")).unwrap();
            let same = Document::parse(&format!("{{\"v\":{back},\"id\":\"x\"}}")).unwrap();
            prop_assert_eq!(document.digest(), same.digest());
        }
    }

    #[test]
    fn numbers_as_dynamodb_may_write_them_are_read() {
        for (text, expected) in
            [("1E+2", "100"), ("-0", "0"), ("1.50", "1.5"), ("1E-130", "1e-130")]
        {
            let value = to_value(&AttributeValue::N(text.to_owned())).unwrap();
            assert_eq!(value.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_json_is_named() {
        let set = AttributeValue::L(vec![AttributeValue::Ss(vec!["a".to_owned()])]);
        assert_eq!(to_value(&set), Err("a set"));
        let bytes = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([1_u8]));
        assert_eq!(to_value(&bytes), Err("a binary value"));
    }
}
