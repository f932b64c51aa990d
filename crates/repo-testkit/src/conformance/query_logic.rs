//! What each sentence on filters means, written out by hand.

use repo_core::{ErrorKind, Filter, Query};

use super::support::{assert_kind, count, delete, fill, filter, find, find_ids, key, put};
use crate::{Fixture, Store};

/// The entities of this file: the id, and the fields.
const STOCK: [(&str, &str); 10] = [
    ("absent", r#""x":1"#),
    ("null", r#""v":null,"x":2"#),
    ("false", r#""v":false"#),
    ("true", r#""v":true"#),
    ("one", r#""v":1,"o":{"p":{"q":1}}"#),
    ("ten", r#""v":10.0,"o":{"p":[{"q":1}]}"#),
    ("big", r#""v":12345678901234567890,"o.p.q":1"#),
    ("text", r#""v":"1","o":{"p.q":1}"#),
    ("list", r#""v":[1,"ab",null,[2]],"o":null"#),
    ("object", r#""v":{"a":1,"b":"ab"}"#),
];

/// Each filter, and the ids that it has to find.
const LOGIC: [(&str, &str); 62] = [
    // Two-valued: a missing field and another type are false, never unknown.
    (r#"{"v":{"$lt":5}}"#, "one"),
    (r#"{"v":{"$not":{"$lt":5}}}"#, "absent null false true ten big text list object"),
    (r#"{"$not":{"v":{"$lt":5}}}"#, "absent null false true ten big text list object"),
    (r#"{"v":{"$ne":1}}"#, "absent null false true ten big text list object"),
    (r#"{"v":{"$not":{"$eq":1}}}"#, "absent null false true ten big text list object"),
    (r#"{"v":{"$not":{"$ne":1}}}"#, "one"),
    (r#"{"nowhere":{"$ne":1}}"#, "absent null false true one ten big text list object"),
    (r#"{"nowhere":{"$lt":1}}"#, ""),
    (r#"{"nowhere":null}"#, ""),
    (r#"{"v":{"$not":{"$in":[1,"1"]}}}"#, "absent null false true ten big list object"),
    (r#"{"v":{"$not":{"$exists":true}}}"#, "absent"),
    (r#"{"v":{"$not":{"$begins_with":"1"}}}"#, "absent null false true one ten big list object"),
    (r#"{"v":{"$not":{"$regex":"1"}}}"#, "absent null false true one ten big list object"),
    (r#"{"v":{"$not":{"$contains":1}}}"#, "absent null false true one ten big text object"),
    // Equality is that of JSON: no type becomes another.
    (r#"{"v":1}"#, "one"),
    (r#"{"v":{"$eq":1.0}}"#, "one"),
    (r#"{"v":true}"#, "true"),
    (r#"{"v":false}"#, "false"),
    (r#"{"v":0}"#, ""),
    (r#"{"v":"1"}"#, "text"),
    (r#"{"v":null}"#, "null"),
    (r#"{"v":{"$in":[null]}}"#, "null"),
    (r#"{"v":{"$exists":true}}"#, "null false true one ten big text list object"),
    (r#"{"v":{"$exists":false}}"#, "absent"),
    (r#"{"v":{"a":1.0,"b":"ab"}}"#, "object"),
    (r#"{"v":{"b":"ab","a":1}}"#, "object"),
    (r#"{"v":{"a":1}}"#, ""),
    (r#"{"v":[1,"ab",null,[2.0]]}"#, "list"),
    (r#"{"v":[1]}"#, ""),
    // Comparisons: number with number, string with string, nothing else.
    (r#"{"v":{"$ge":1}}"#, "one ten big"),
    (r#"{"v":{"$gt":1}}"#, "ten big"),
    (r#"{"v":{"$le":10}}"#, "one ten"),
    (r#"{"v":{"$lt":10}}"#, "one"),
    (r#"{"v":{"$ge":"0"}}"#, "text"),
    (r#"{"v":{"$lt":"2"}}"#, "text"),
    (r#"{"v":{"$le":null}}"#, ""),
    (r#"{"v":{"$ge":false}}"#, ""),
    (r#"{"v":{"$le":[1]}}"#, ""),
    (r#"{"v":{"$gt":{}}}"#, ""),
    // No float in between.
    (r#"{"v":12345678901234567890}"#, "big"),
    (r#"{"v":12345678901234567891}"#, ""),
    (r#"{"v":{"$lt":12345678901234567891}}"#, "one ten big"),
    (r#"{"v":{"$lt":12345678901234567890}}"#, "one ten"),
    (r#"{"v":{"$gt":12345678901234567889}}"#, "big"),
    // Membership and parts.
    (r#"{"v":{"$contains":1}}"#, "list"),
    (r#"{"v":{"$contains":null}}"#, "list"),
    (r#"{"v":{"$contains":[2]}}"#, "list"),
    (r#"{"v":{"$contains":2}}"#, ""),
    (r#"{"v":{"$contains":"a"}}"#, ""),
    (r#"{"v.b":{"$contains":"b"}}"#, "object"),
    (r#"{"v":{"$contains":"1"}}"#, "text"),
    (r#"{"v":{"$begins_with":""}}"#, "text"),
    // Empty lists.
    (r#"{"v":{"$in":[]}}"#, ""),
    (r#"{"$or":[]}"#, ""),
    (r#"{"$and":[]}"#, "absent null false true one ten big text list object"),
    (r#"{"$not":{"$and":[]}}"#, ""),
    (r#"{"$not":{"$or":[]}}"#, "absent null false true one ten big text list object"),
    // Joined conditions.
    (r#"{"x":{"$exists":true},"v":{"$exists":false}}"#, "absent"),
    (r#"{"$or":[{"v":1},{"v":"1"},{"x":2}]}"#, "null one text"),
    (r#"{"$and":[{"v":{"$gt":0}},{"$or":[{"v":10},{"o.p.q":1}]}]}"#, "one ten"),
    // A path goes through objects only, and a dot in a key is no path.
    (r#"{"o.p.q":1}"#, "one"),
    (r#"{"v.0":1}"#, ""),
];

async fn stock(store: &Store, name: &str, indexed: &str) {
    let writes = STOCK.map(|(id, fields)| {
        put(&key(name, id), &fields.replace("\"v\":", &format!("\"{indexed}\":")))
    });
    fill(store, writes.into()).await;
}

/// Runs the table with the field `v` under another name.
async fn assert_logic(store: &Store, name: &str, field: &str) {
    stock(store, name, field).await;
    for (text, expected) in LOGIC {
        let text =
            text.replace("\"v\"", &format!("\"{field}\"")).replace("\"v.", &format!("\"{field}."));
        let filter = filter(&text);
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_unstable();
        let mut found = find_ids(store, name, Query::new(filter.clone())).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{text}");
        assert_eq!(count(store, name, &filter).await, expected.len() as u64, "count of {text}");
    }
}

/// The sentences on filters, in a field without an index.
pub async fn filters_mean_what_the_contract_says(f: Fixture) {
    assert_logic(&f.prepared().await, "items", "v").await;
}

/// The same in an indexed field.
pub async fn an_index_changes_no_answer(f: Fixture) {
    assert_logic(&f.prepared().await, "things", "any").await;
}

/// The same in fields that are declared with one type.
pub async fn a_declared_type_changes_no_answer(f: Fixture) {
    let store = f.prepared().await;
    for field in ["status", "price", "count", "flag", "rank"] {
        assert_logic(&store, "things", field).await;
    }
}

/// Strings compare by their UTF-8 bytes.
pub async fn strings_compare_by_their_utf8_bytes(f: Fixture) {
    let store = f.prepared().await;
    let ordered = ["", "B", "Z", "_", "a", "a-b", "ab", "é", "\u{ffee}", "\u{1f600}"];
    for (name, field) in [("items", "v"), ("things", "status"), ("things", "any")] {
        let writes = ordered.iter().enumerate().map(|(at, text)| {
            let text = super::support::json_string(text);
            put(&key(name, &at.to_string()), &format!("\"{field}\":{text}"))
        });
        fill(&store, writes.collect()).await;
        for (at, text) in ordered.iter().enumerate() {
            let operand = super::support::json_string(text);
            let less = filter(&format!("{{\"{field}\":{{\"$lt\":{operand}}}}}"));
            assert_eq!(count(&store, name, &less).await, at as u64, "{field} below {text:?}");
            let more = filter(&format!("{{\"{field}\":{{\"$ge\":{operand}}}}}"));
            let expected = ordered.len() - at;
            assert_eq!(count(&store, name, &more).await, expected as u64, "{field} from {text:?}");
        }
    }
}

/// `$regex` has the syntax of the `regex` crate and is not anchored; the other
/// operators on text know no wildcards.
pub async fn text_operators_are_exact(f: Fixture) {
    let store = f.prepared().await;
    let texts = ["a%b", "aXb", "a_b", "A%B", "xa%b", "a.b", "a\\b", "ab", "a*b"];
    for name in ["items", "things"] {
        let writes = texts.map(|text| {
            let value = super::support::json_string(text);
            put(&key(name, text), &format!("\"status\":{value}"))
        });
        fill(&store, writes.into()).await;
        let cases = [
            (r#"{"$begins_with":"a%"}"#, "a%b"),
            (r#"{"$begins_with":"a_"}"#, "a_b"),
            (r#"{"$contains":"%"}"#, "A%B a%b xa%b"),
            (r#"{"$contains":"_"}"#, "a_b"),
            (r#"{"$contains":"\\"}"#, "a\\b"),
            (r#"{"$contains":"*"}"#, "a*b"),
            (r#"{"$begins_with":"A"}"#, "A%B"),
            (r#"{"$regex":"a.b"}"#, "a%b a*b a.b aXb a\\b a_b xa%b"),
            (r#"{"$regex":"^a\\.b$"}"#, "a.b"),
            (r#"{"$regex":"(?i)^a%B$"}"#, "A%B a%b"),
            (r#"{"$regex":"^[[:alpha:]]+$"}"#, "aXb ab"),
        ];
        for (condition, expected) in cases {
            let text = format!("{{\"status\":{condition}}}");
            let mut found = find_ids(&store, name, Query::new(filter(&text))).await;
            found.sort_unstable();
            let mut expected: Vec<&str> = expected.split_whitespace().collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }
}

/// An unknown operator or a malformed filter is `Invalid`, never ignored.
pub async fn what_is_no_filter_is_invalid(_: Fixture) {
    let cases = [
        "",
        "[]",
        "1",
        "{",
        "{\"a\":1,\"a\":2}",
        "{\"$nor\":[]}",
        "{\"$eq\":1}",
        "{\"a\":{\"$below\":1}}",
        "{\"a\":{\"$lt\":1,\"b\":2}}",
        "{\"$and\":{}}",
        "{\"$or\":[1]}",
        "{\"$not\":[]}",
        "{\"a\":{\"$not\":1}}",
        "{\"a\":{\"$in\":1}}",
        "{\"a\":{\"$exists\":1}}",
        "{\"a\":{\"$begins_with\":1}}",
        "{\"a\":{\"$regex\":\"(\"}}",
        "{\"a\":{\"$regex\":null}}",
        "{\"a..b\":1}",
        "{\"\":1}",
        "{\"_version\":1}",
        "{\"a\":1} x",
        "{\"a\":{\"$EQ\":1}}",
    ];
    for text in cases {
        assert_kind(Filter::parse(text), ErrorKind::Invalid);
    }
}

/// A query answers with live entities, whole, with their metadata; deleted
/// ones are neither found nor counted.
pub async fn tombstones_are_neither_found_nor_counted(f: Fixture) {
    let store = f.prepared().await;
    for name in ["items", "things"] {
        let keys = ["a", "b", "c"].map(|text| key(name, text));
        fill(&store, keys.iter().map(|key| put(key, "\"status\":\"on\"")).collect()).await;
        delete(&store, &keys[1]).await;
        for text in [
            "{}",
            r#"{"status":"on"}"#,
            r#"{"status":{"$ne":"off"}}"#,
            r#"{"gone":{"$exists":false}}"#,
        ] {
            let filter = filter(text);
            assert_eq!(count(&store, name, &filter).await, 2, "{text}");
            for order in ["status", "absent:desc"] {
                let query = Query::new(filter.clone()).order_by(order).unwrap();
                assert_eq!(find_ids(&store, name, query).await, ["a", "c"], "{text}");
            }
            for entity in find(&store, name, Query::new(filter.clone())).await {
                assert_eq!(
                    Some(repo_core::strategy::Record::Live(entity.clone())),
                    super::support::record(&store, &entity.key()).await
                );
            }
        }
    }
}

/// Conditions on both fields of an index on two, and on one beside others.
pub async fn conditions_on_several_fields_are_joined(f: Fixture) {
    let store = f.prepared().await;
    let mut writes = Vec::new();
    for owner in ["\"ann\"", "\"bob\"", "null"] {
        for rank in ["1", "2", "\"2\"", "null"] {
            for status in ["\"on\"", "\"off\""] {
                let id = format!("{owner} {rank} {status}");
                let fields = format!("\"owner\":{owner},\"rank\":{rank},\"status\":{status}");
                writes.push(put(&key("things", &id), &fields));
            }
        }
    }
    fill(&store, writes).await;
    let cases = [
        (r#"{"owner":"ann"}"#, 8),
        (r#"{"owner":"ann","rank":2}"#, 2),
        (r#"{"owner":"ann","rank":{"$gt":1}}"#, 2),
        (r#"{"owner":"ann","rank":{"$ge":1},"status":"on"}"#, 2),
        (r#"{"owner":null,"rank":null}"#, 2),
        (r#"{"owner":{"$in":["ann",null]},"rank":{"$in":[1,"2"]}}"#, 8),
        (r#"{"owner":{"$in":["ann","ann"]},"status":"on"}"#, 4),
        (r#"{"$or":[{"owner":"ann","rank":1},{"owner":"bob","status":"off"}]}"#, 6),
        (r#"{"rank":2}"#, 6),
        (r#"{"owner":{"$ne":"ann"},"rank":{"$not":{"$lt":2}},"status":"on"}"#, 6),
        (r#"{"$and":[{"owner":"ann"},{"owner":"bob"}]}"#, 0),
    ];
    for (text, expected) in cases {
        let filter = filter(text);
        assert_eq!(count(&store, "things", &filter).await, expected, "{text}");
        for order in ["rank", "status:desc", "owner"] {
            let query = Query::new(filter.clone()).order_by(order).unwrap().limit(3).unwrap();
            assert_eq!(find_ids(&store, "things", query).await.len() as u64, expected, "{text}");
        }
    }
}
