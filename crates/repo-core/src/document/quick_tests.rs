//! The quick check against the reader, which decides.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::{reader, size::Sizer};
use super::*;

/// What the reader says: the size of a text that is a compact document.
fn read(text: &str) -> Option<usize> {
    let mut sizer = Sizer::default();
    let summary = reader::read(text, &mut sizer).ok()?;
    let size = sizer.finish().ok()?;
    (!summary.has_space).then_some(size)
}

#[test]
fn usual_documents_are_known() {
    for text in [
        "{}",
        r#"{"a":[],"b":{},"c":[1,-2,"x",null,true,false,[{"a":1}]]}"#,
        r#"{"a":0,"b":-0,"c":0.000,"d":-0.50,"e":1200,"f":0.0120,"g":100.001}"#,
        r#"{"a":"ä\n\"\\\/\b\f\r\t","langer schlüssel mit umlaut":{"_version":1}}"#,
        r#"{"a":12345678901234567890123456789012345678}"#,
    ] {
        assert_eq!(size(text), Some(read(text).unwrap()), "{text}");
    }
    let nested = |depth: usize| "{\"a\":".repeat(depth - 1) + "{}" + &"}".repeat(depth - 1);
    assert_eq!(size(&nested(MAX_DEPTH)), read(&nested(MAX_DEPTH)));
    assert_eq!((size(&nested(32)), read(&nested(32))), (None, None));
    let wide = |keys: usize| {
        let members: Vec<String> = (0..keys).map(|n| format!("\"key {n}\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(size(&wide(MOST_KEYS)), Some(read(&wide(MOST_KEYS)).unwrap()));
    assert_eq!(size(&wide(MOST_KEYS + 1)), None);
    // Objects after each other have their keys each for themselves.
    let many = format!("{{\"a\":[{}]}}", vec![wide(MOST_KEYS - 1); 3].join(","));
    assert_eq!(size(&many), Some(read(&many).unwrap()));
}

#[test]
fn nothing_is_known_that_breaks_a_rule() {
    let key = |bytes: usize| format!("{{\"{}\":1}}", "k".repeat(bytes));
    assert_eq!(size(&key(MAX_KEY_BYTES)), Some(read(&key(MAX_KEY_BYTES)).unwrap()));
    assert_eq!(size(&key(MAX_KEY_BYTES + 1)), None);
    for text in [
        "",
        "{",
        "[1]",
        "\"x\"",
        "1",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"#,
        r#"{"a":1}x"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a long key to see":1,"a long key to see":2}"#,
        r#"{"x":{"b":1,"b":2}}"#,
        r#"{"":1}"#,
        r#"{"_version":1}"#,
        r#"{"_created_at":1}"#,
        r#"{"_updated_at":1}"#,
        r#"{"_deleted":1}"#,
        r#"{"a":01}"#,
        r#"{"a":-}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":+1}"#,
        r#"{"a":1-1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":tru}"#,
        r#"{"a":truex}"#,
        r#"{"a":nul"#,
        r#"{"a":"x}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u0000"}"#,
        r#"{"a":"\ud800"}"#,
        "{\"a\":\"\u{0}\"}",
        "{\"a\":\"\t\"}",
        "{\"\t\":1}",
        r#"{"a":[1,]}"#,
        r#"{"a":[,1]}"#,
        r#"{"a":[1}"#,
        r#"{"a":{]}"#,
        r#"{"a":123456789012345678901234567890123456789}"#,
        r#"{a:1}"#,
        r#"{"a" :1}"#,
        r#"{"a":"\"}"#,
        r#"{"a\":1}"#,
        r#"{"a":1e999}"#,
        r#"{"a":0.1.2}"#,
    ] {
        assert_eq!((size(text), read(text)), (None, None), "{text}");
    }
}

/// Pieces that make documents, broken ones, and almost documents.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("{"), 3 => Just("}"), 2 => Just("["), 2 => Just("]"), 4 => Just(","),
        4 => Just(":"), 3 => Just("\"a\":"), 2 => Just("\"b\":"), 1 => Just("\"key of length\":"),
        1 => Just("\"_version\":"), 1 => Just("\"\":"), 2 => Just("\"x\""), 1 => Just("\"\\n\""),
        1 => Just("\"\\u0041\""), 1 => Just("\"\\\""), 2 => Just("1"), 1 => Just("-0.10"),
        1 => Just("1e5"), 1 => Just("00"), 1 => Just("null"), 1 => Just("true"), 1 => Just(" "),
        1 => Just("ä"), 1 => Just("\u{1}"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("{{{}}}", pieces.concat()))
}

fn documents() -> impl Strategy<Value = String> {
    let string =
        prop_oneof!["[a-z_]{0,20}", "[ -~äß\u{1F600}]{0,12}", Just("_version".to_owned()),];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e6_f64..1e6).prop_map(Into::into),
        string.clone().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((string.clone(), inner), 0..9)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    value.prop_map(|value| serde_json::json!({ "id": value }).to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_known_is_what_the_reader_says(text in prop_oneof![pieces(), documents()]) {
        if let Some(size) = size(&text) {
            prop_assert_eq!(Some(size), read(&text));
        }
    }

    #[test]
    fn a_document_with_one_byte_changed_is_known_by_no_other_rule(
        text in documents(), at: prop::sample::Index, to in prop::char::range(' ', '~'),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        chars[at] = to;
        let text: String = chars.into_iter().collect();
        if let Some(size) = size(&text) {
            prop_assert_eq!(Some(size), read(&text));
        }
    }

    #[test]
    fn marks_of_equal_keys_are_equal(key in "[ -~]{1,40}") {
        prop_assert_eq!(mark(key.as_bytes()), mark(key.clone().as_bytes()));
    }
}
