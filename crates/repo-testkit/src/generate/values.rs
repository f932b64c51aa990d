//! JSON values as text, biased towards what stores get wrong.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

/// Numbers at the limits of integers, floats and of the contract.
const NUMBERS: [&str; 30] = [
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "2",
    "10",
    "1.5",
    "1.50",
    "15e-1",
    "0.1",
    "-2.5",
    "1e2",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "12345678901234567890",
    "12345678901234567891",
    "0.30000000000000004",
    "1e-130",
    "9.99e125",
    "-9.99e125",
    "1E+20",
    "99999999999999999999999999999999999999",
    "0.1000000000000000055511151231257827",
    "1e22",
    "123456789.123456789123456789",
];

/// Texts that stores fold, trim, escape or take for something else.
const TEXTS: [&str; 26] = [
    "",
    " ",
    "a",
    "A",
    "ab",
    "abc",
    "a%b",
    "a_b",
    "a.b",
    "B",
    "é",
    "e\u{301}",
    "\u{ffee}",
    "😀",
    "1",
    "10",
    "1.5",
    "true",
    "null",
    "[1]",
    "{}",
    "a\"b\\c'd",
    "\u{1}\n\t",
    "\u{2028}",
    "on",
    "off",
];

const KEYS: [&str; 12] =
    ["a", "b", "kind", "A", "a.b", "$eq", "é", "\"", "\\", "id", "_version", " "];

/// A JSON string with this content.
pub(super) fn quoted(content: &str) -> String {
    serde_json::to_string(content).unwrap()
}

/// A number.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&NUMBERS[..]).prop_map(str::to_owned),
        2 => (-20_i32..20).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => "-?[1-9][0-9]{0,20}\\.[0-9]{1,15}",
        1 => "-?[1-9]\\.[0-9]{1,10}[eE]-?[0-9]{1,2}",
    ]
}

/// A string.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&TEXTS[..]).prop_map(quoted),
        1 => "[ab]{0,3}".prop_map(|text| quoted(&text)),
        1 => "[^\u{0}]{0,12}".prop_map(|text| quoted(&text)),
    ]
}

/// A JSON value as text, at most a few levels deep.
pub fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        1 => Just("null".to_owned()),
        1 => select(&["true", "false"][..]).prop_map(str::to_owned),
        4 => number(),
        4 => text(),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = select(&KEYS[..]).prop_map(quoted);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            btree_map(key, inner, 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
