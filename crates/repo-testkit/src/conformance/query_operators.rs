//! Every operator on every type of value, in fields with and without an index,
//! against `Filter::matches`. What `Filter::matches` itself has to answer
//! is in `query_logic.rs`.

use std::collections::BTreeSet;

use repo_core::{Document, Query};

use super::support::{count, document, fill, filter, find_ids, json_string, key, put};
use crate::{Fixture, Store};

/// Values of every type, and neighbours that a store may mix up.
pub(super) fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "false",
        "true",
        "0",
        "1",
        "-1",
        "1.5",
        "1.50",
        "2",
        "10",
        "100",
        "-10",
        "0.1",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "12345678901234567890",
        "12345678901234567891",
        "-12345678901234567891",
        "1e-130",
        "9.99e125",
        "-9.99e125",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"abc\"",
        "\"A\"",
        "\"B\"",
        "\"é\"",
        "\"a%b\"",
        "\"a_b\"",
        "\"a.c\"",
        "\"1\"",
        "\"10\"",
        "\"1.5\"",
        "\"true\"",
        "\"null\"",
        "\"[1]\"",
        "\"a\\\\b\"",
        "\"a\\\"b\"",
        "\"a'b\"",
        "\"a*b\"",
        "\"a[b]\"",
        "\"line\\nbreak\"",
        "[]",
        "[1]",
        "[1.0,\"a\"]",
        "[\"a\"]",
        "[\"ab\",null]",
        "[[1]]",
        "[true]",
        "[{\"a\":1}]",
        "{}",
        "{\"a\":1}",
        "{\"a\":1.0}",
        "{\"a\":1,\"b\":2}",
        "{\"b\":2,\"a\":1}",
        "{\"k\":\"a\"}",
    ]
    .map(str::to_owned)
    .into();
    values.extend(["\u{ffee}", "\u{1f600}", &"x".repeat(1_000)].map(json_string));
    values
}

/// Every filter on `field`: each operator with operands of each type.
fn filters(field: &str) -> Vec<String> {
    let mut conditions = Vec::new();
    for operand in values() {
        conditions.push(operand.clone());
        for operator in ["$eq", "$ne", "$lt", "$le", "$gt", "$ge", "$contains"] {
            conditions.push(format!("{{\"{operator}\":{operand}}}"));
        }
        conditions.push(format!("{{\"$in\":[{operand},\"no such\"]}}"));
        conditions.push(format!("{{\"$not\":{{\"$lt\":{operand}}}}}"));
        conditions.push(format!("{{\"$not\":{{\"$contains\":{operand}}}}}"));
        if operand.starts_with('"') {
            conditions.push(format!("{{\"$begins_with\":{operand}}}"));
            conditions.push(format!("{{\"$not\":{{\"$begins_with\":{operand}}}}}"));
        }
    }
    conditions.extend(
        [
            "{\"$in\":[]}",
            "{\"$not\":{\"$in\":[]}}",
            "{\"$in\":[null,true,1,\"a\",[],{}]}",
            "{\"$not\":{\"$in\":[null,true,1,\"a\",[],{}]}}",
            "{\"$exists\":true}",
            "{\"$exists\":false}",
            "{\"$regex\":\"\"}",
            "{\"$regex\":\"b\"}",
            "{\"$regex\":\"^a.?b$\"}",
            "{\"$regex\":\"(?i)^a\"}",
            "{\"$regex\":\"\\\\d+\"}",
            "{\"$regex\":\"\\\\p{L}$\"}",
            "{\"$not\":{\"$regex\":\"a\"}}",
            "{\"$gt\":0,\"$lt\":10}",
            "{\"$ge\":\"a\",\"$lt\":\"b\"}",
            "{\"$ge\":\"a\",\"$lt\":5}",
            "{\"$ne\":1,\"$exists\":true}",
        ]
        .map(str::to_owned),
    );
    // An object with operators within is distinguished from a plain object.
    conditions.into_iter().map(|condition| format!("{{\"{field}\":{condition}}}")).collect()
}

/// Stores one entity for each value of `field`, one without it, and others
/// that a wrong path would find.
async fn stock(store: &Store, name: &str, field: &str) -> Vec<Document> {
    let nested = |value: &str| match field.split_once('.') {
        Some((outer, inner)) => format!("\"{outer}\":{{\"{inner}\":{value}}}"),
        None => format!("\"{field}\":{value}"),
    };
    let mut fields: Vec<String> = values().iter().map(|value| nested(value)).collect();
    fields.push("\"other\":1".to_owned());
    fields.push(format!("\"other\":{{{}}}", nested("1")));
    fields.push(format!("{}:1", json_string(&format!("x.{field}"))));
    if let Some((outer, inner)) = field.split_once('.') {
        fields.push(format!("\"{outer}\":[{{\"{inner}\":1}}]"));
        fields.push(format!("\"{outer}\":null"));
        fields.push(format!("\"{outer}\":\"{inner}\""));
        fields.push(format!("\"{field}\":1"));
    }
    let keys: Vec<_> = (0..fields.len()).map(|at| key(name, &format!("{at:03}"))).collect();
    fill(store, keys.iter().zip(&fields).map(|(key, fields)| put(key, fields)).collect()).await;
    keys.iter().zip(&fields).map(|(key, fields)| document(key, fields)).collect()
}

/// Runs every filter on `field` and compares with `Filter::matches`.
async fn assert_filters(f: Fixture, name: &str, field: &str) {
    let store = f.prepared().await;
    let documents = stock(&store, name, field).await;
    for text in filters(field) {
        let filter = filter(&text);
        let expected: BTreeSet<String> = documents
            .iter()
            .enumerate()
            .filter(|(_, document)| filter.matches(document))
            .map(|(at, _)| format!("{at:03}"))
            .collect();
        let found = find_ids(&store, name, Query::new(filter.clone())).await;
        assert_eq!(found.len(), expected.len(), "{text} finds {found:?}, not {expected:?}");
        let found: BTreeSet<String> = found.into_iter().collect();
        let wrong: Vec<_> = found
            .symmetric_difference(&expected)
            .map(|id| documents[id.parse::<usize>().unwrap()].to_string())
            .collect();
        assert!(wrong.is_empty(), "{text} is wrong on {wrong:#?}");
        assert_eq!(count(&store, name, &filter).await, expected.len() as u64, "count of {text}");
    }
}

/// A field without an index.
pub async fn in_a_field_without_an_index(f: Fixture) {
    assert_filters(f, "items", "v").await;
}

/// A nested field without an index.
pub async fn in_a_nested_field_without_an_index(f: Fixture) {
    assert_filters(f, "items", "o.v").await;
}

/// An indexed field of any type.
pub async fn in_an_indexed_field_of_any_type(f: Fixture) {
    assert_filters(f, "things", "any").await;
}

/// A field that is declared and indexed as text.
pub async fn in_an_indexed_text_field(f: Fixture) {
    assert_filters(f, "things", "status").await;
}

/// A field that is declared and indexed as a number.
pub async fn in_an_indexed_number_field(f: Fixture) {
    assert_filters(f, "things", "price").await;
}

/// A field that is declared and indexed as an integer.
pub async fn in_an_indexed_integer_field(f: Fixture) {
    assert_filters(f, "things", "count").await;
}

/// A field that is declared and indexed as a boolean.
pub async fn in_an_indexed_boolean_field(f: Fixture) {
    assert_filters(f, "things", "flag").await;
}

/// A nested field that is indexed.
pub async fn in_an_indexed_nested_field(f: Fixture) {
    assert_filters(f, "things", "meta.kind").await;
}

/// The first field of an index on two.
pub async fn in_the_first_field_of_an_index_on_two(f: Fixture) {
    assert_filters(f, "things", "owner").await;
}

/// A declared field without an index.
pub async fn in_a_declared_field_without_an_index(f: Fixture) {
    assert_filters(f, "things", "tags").await;
}
