#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn rule(text: &str) -> (Rule, String) {
    let error = Document::read(text).unwrap_err();
    (error.rule, error.pointer)
}

#[test]
fn each_rule_is_named_with_its_place() {
    let deep = |n: usize| format!("{}{}{}", "{\"a\":".repeat(n - 1), "{}", "}".repeat(n - 1));
    assert!(Document::parse(&deep(31)).is_ok());
    assert_eq!(rule(&deep(32)).0, Rule::TooDeep);
    let key = |bytes: usize| format!("{{\"x\":{{\"{}\":1}}}}", "k".repeat(bytes));
    assert!(Document::parse(&key(65_535)).is_ok());
    assert_eq!(rule(&key(65_536)), (Rule::LongKey, "/x".to_owned()));
    let cases = [
        ("[1]", Rule::NotAnObject, ""),
        ("\"x\"", Rule::NotAnObject, ""),
        (r#"{"a":1,"a":2}"#, Rule::DuplicateKey, "/a"),
        (r#"{"x":{"a":1,"\u0061":2}}"#, Rule::DuplicateKey, "/x/a"),
        (r#"{"x":[{"":1}]}"#, Rule::EmptyKey, "/x/0"),
        (r#"{"a/b":"\u0000"}"#, Rule::NulCharacter, "/a~1b"),
        (r#"{"a\u0000":1}"#, Rule::NulCharacter, ""),
        (r#"{"a":"\ud800"}"#, Rule::LoneSurrogate, "/a"),
        (r#"{"a":"\udc00\ud800"}"#, Rule::LoneSurrogate, "/a"),
        (r#"{"a":"\ud800\u0041"}"#, Rule::LoneSurrogate, "/a"),
        (r#"{"a":[0,123456789012345678901234567890123456789]}"#, Rule::TooManyDigits, "/a/1"),
        (r#"{"a":1e126}"#, Rule::NumberOutOfRange, "/a"),
        (r#"{"a":1e-131}"#, Rule::NumberOutOfRange, "/a"),
        (r#"{"_version":1}"#, Rule::ReservedKey, "/_version"),
        (r#"{"_deleted":true}"#, Rule::ReservedKey, "/_deleted"),
        (r#"{"a":1} x"#, Rule::TrailingText, ""),
        (r#"{"a":1,}"#, Rule::Syntax, ""),
        (r#"{"a":tru"#, Rule::Truncated, "/a"),
        (r#"{"a":"abc"#, Rule::Truncated, "/a"),
        (r#"{"a"#, Rule::Truncated, ""),
        ("{\"a\":\"\t\"}", Rule::Syntax, "/a"),
        ("", Rule::Truncated, ""),
        (r#"{"a":01}"#, Rule::Syntax, "/a"),
        (r#"{"a":NaN}"#, Rule::Syntax, "/a"),
    ];
    for (text, expected, pointer) in cases {
        assert_eq!(rule(text), (expected, pointer.to_owned()), "{text}");
    }
}

#[test]
fn reserved_keys_are_free_below_the_top() {
    assert!(Document::parse(r#"{"a":{"_version":1}}"#).is_ok());
}

#[test]
fn white_space_is_dropped_outside_strings_only() {
    let document = Document::parse("{ \"a b\" :\n [ 1 , \" x \\\" \" ] }\r\n").unwrap();
    assert_eq!(document.as_str(), r#"{"a b":[1," x \" "]}"#);
}

#[test]
fn the_size_is_that_of_the_formula() {
    // 3 for the map; per member: name + value + 1.
    let cases = [
        ("{}", 3),
        (r#"{"a":null}"#, 3 + 1 + 1 + 1),
        (r#"{"ab":"grüße"}"#, 3 + 2 + 7 + 1),
        (r#"{"n":12345}"#, 3 + 1 + (3 + 1) + 1),
        (r#"{"n":-1}"#, 3 + 1 + (1 + 1 + 1) + 1),
        (r#"{"l":[true,false]}"#, 3 + 1 + (3 + 2 + 2) + 1),
    ];
    for (text, size) in cases {
        assert_eq!(Document::parse(text).unwrap().size(), size, "{text}");
    }
}

#[test]
fn digests_depend_on_content_alone() {
    let digest = |text: &str| Document::parse(text).unwrap().digest();
    assert_eq!(digest(r#"{"a":1.50,"b":"\u00e9"}"#), digest(r#"{"b":"é", "a":15e-1}"#));
    assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":"1"}"#));
    assert_ne!(digest(r#"{"a":[1,2]}"#), digest(r#"{"a":[2,1]}"#));
}

#[test]
fn a_field_is_found_through_objects_only() {
    let document =
        Document::parse(r#"{"x":{"y":[{"z":1}],"q\"":{"d":"},"}},"n":12,"e":{}}"#).unwrap();
    let get = |path: &str| document.get_text(&FieldPath::parse(path).unwrap()).map(str::to_owned);
    assert_eq!(get("x.y").as_deref(), Some(r#"[{"z":1}]"#));
    assert_eq!(get("x.q\".d").as_deref(), Some(r#""},""#));
    assert_eq!(get("n").as_deref(), Some("12"));
    assert_eq!(get("e").as_deref(), Some("{}"));
    assert_eq!(get("x.y.z"), None);
    assert_eq!(get("x.y.0"), None);
    assert_eq!(get("n.a"), None);
    assert_eq!(get("absent"), None);
    for bad in ["", "a..b", ".a", "_version", "_deleted.x"] {
        assert!(FieldPath::parse(bad).is_err(), "{bad}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[a-z\"\\\\\n\u{1f600}é ]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            prop::collection::btree_map("[a-z\"\\\\.é]{1,4}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The text with the keys of every object in another order, and every
/// character of a key as an escape.
fn disordered(value: &serde_json::Value, turn: usize) -> String {
    match value {
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| disordered(item, turn)).collect();
            format!("[{}]", items.join(" ,"))
        }
        serde_json::Value::Object(fields) => {
            let escaped = |key: &str| -> String {
                key.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
            };
            let mut members: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("\"{}\": {}", escaped(key), disordered(value, turn)))
                .collect();
            members.reverse();
            let turn = turn % members.len().max(1);
            members.rotate_left(turn);
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn canonical_text_is_that_of_the_value(value in json(), turn in 0_usize..4) {
        let value = serde_json::json!({ "w": value, "v": {"b": [{"d": 1, "c": {}}], "a\"": 2, "a!": 3, "a": 4} });
        let text = disordered(&value, turn);
        let expected = Value::parse(&text).unwrap().to_string();
        prop_assert_eq!(super::canonical::canonical(&text), expected);
        let ordered = Document::parse(&value.to_string()).unwrap();
        let document = Document::parse(&text).unwrap();
        prop_assert_eq!(document.digest(), ordered.digest());
        prop_assert!(document.equals(&ordered));
    }

    #[test]
    fn canonical_text_agrees_with_serde_json(value in json()) {
        let text = serde_json::json!({ "v": value }).to_string();
        let pretty = serde_json::to_string_pretty(&serde_json::json!({ "v": value })).unwrap();
        let document = Document::parse(&text).unwrap();
        prop_assert_eq!(document.as_str(), &text);
        let from_pretty = Document::parse(&pretty).unwrap();
        prop_assert_eq!(from_pretty.as_str(), &text);
        let canonical = document.to_value().to_string();
        let back: serde_json::Value = serde_json::from_str(&canonical).unwrap();
        prop_assert_eq!(&back["v"], &value);
    }

    #[test]
    fn the_reader_never_panics(text in "[\\[\\]{}:,\"\\\\0-9a-eE.+\\-u \n]{0,40}") {
        let _ = Document::read(&text);
    }

    #[test]
    fn each_top_level_field_is_found(value in json()) {
        let document = Document::parse(&serde_json::json!({ "before": 1, "v": value, "z": 2 }).to_string()).unwrap();
        let found = document.get(&FieldPath::parse("v").unwrap()).unwrap();
        prop_assert_eq!(found, Value::parse(&value.to_string()).unwrap());
    }
}
