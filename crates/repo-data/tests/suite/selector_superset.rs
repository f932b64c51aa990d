//! What is pushed down never hides a match, on random documents and selectors.

use proptest::prelude::*;
use repo_core::{Document, Value};
use repo_data::selector::{Fields, Selector, SelectorPath};
use serde_json::{Value as Json, json};

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Json::from),
        (-2_i64..4).prop_map(Json::from),
        prop_oneof![Just("1.5"), Just("-0"), Just("1e2")]
            .prop_map(|text| serde_json::from_str(text).unwrap()),
        prop_oneof![Just(""), Just("a"), Just("ab"), Just("b"), Just("0"), Just("AB")]
            .prop_map(Json::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("0"), Just("1")].prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key(), inner, 0..3).prop_map(object),
        ]
    })
}

fn object(members: std::collections::BTreeMap<String, Json>) -> Json {
    Json::Object(members.into_iter().collect())
}

fn document() -> impl Strategy<Value = Json> {
    prop::collection::btree_map(key(), value(), 0..4).prop_map(object)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(key(), 1..4).prop_map(|keys| keys.join("."))
}

fn operators() -> impl Strategy<Value = Json> {
    let operand = prop_oneof![3 => scalar(), 1 => value()];
    let one = |name: &'static str| move |operand: Json| json!({ name: operand });
    prop_oneof![
        operand.clone().prop_map(one("$eq")),
        operand.clone().prop_map(one("$ne")),
        operand.clone().prop_map(one("$gt")),
        operand.clone().prop_map(one("$gte")),
        operand.clone().prop_map(one("$lt")),
        operand.clone().prop_map(one("$lte")),
        prop::collection::vec(operand.clone(), 0..20).prop_map(|list| json!({ "$in": list })),
        prop::collection::vec(operand, 0..3).prop_map(|list| json!({ "$nin": list })),
        any::<bool>().prop_map(|exists| json!({ "$exists": exists })),
        prop_oneof![Just("a"), Just("^b"), Just("b$"), Just("")]
            .prop_map(|pattern| json!({ "$regex": pattern, "$options": "i" })),
    ]
    .prop_recursive(2, 4, 1, |inner| inner.prop_map(|inner| json!({ "$not": inner })))
}

fn selector() -> impl Strategy<Value = Json> {
    let field = prop_oneof![
        3 => (path(), operators()).prop_map(|(path, test)| json!({ path: test })),
        1 => (path(), value()).prop_map(|(path, value)| json!({ path: value })),
    ];
    field.prop_recursive(3, 12, 3, |inner| {
        let group = |name: &'static str| move |parts: Vec<Json>| json!({ name: parts });
        let parts = prop::collection::vec(inner, 1..4);
        prop_oneof![
            parts.clone().prop_map(group("$and")),
            parts.clone().prop_map(group("$or")),
            parts.prop_map(group("$nor")),
        ]
    })
}

/// A document without any array, so that every field is a scalar or an object.
fn flat(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().next().map_or(Json::Null, flat),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(key, value)| (key, flat(value))).collect())
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_match_passes_the_filter(selector in selector(), document in document()) {
        let selector = Selector::parse(&selector.to_string()).unwrap();
        let document = Document::parse(&document.to_string()).unwrap();
        let filter = selector.push_down(&Fields::default());
        if selector.matches(&document.to_value()) {
            prop_assert!(filter.matches(&document), "{filter:?}");
        }
    }

    #[test]
    fn also_where_fields_are_known_as_scalars(selector in selector(), document in document()) {
        let selector = Selector::parse(&selector.to_string()).unwrap();
        let document = Document::parse(&flat(document).to_string()).unwrap();
        let fields = selector.paths().try_fold(Fields::default(), |fields, path| {
            fields.scalar(&path.to_string())
        }).unwrap();
        if selector.matches(&document.to_value()) {
            let filter = selector.push_down(&fields);
            prop_assert!(filter.matches(&document), "{filter:?}");
        }
    }

    #[test]
    fn also_below_a_field_and_with_a_spilled_value(
        selector in selector(), document in document(), spilled: bool,
    ) {
        let selector = Selector::parse(&selector.to_string()).unwrap();
        let fields = Fields::default().below("kept").unwrap().spilled("a", "blob").unwrap();
        let absent = [SelectorPath::parse("a").unwrap()];
        let mut here = document;
        let mut record = json!({});
        if spilled {
            here.as_object_mut().unwrap().remove("a");
            record["blob"] = json!("ab");
        }
        record["kept"] = here.clone();
        let here = Value::parse(&here.to_string()).unwrap();
        let decided = selector.decide(&here, if spilled { &absent } else { &[] });
        let record = Document::parse(&record.to_string()).unwrap();
        if !matches!(decided, Ok(false)) {
            prop_assert!(selector.push_down(&fields).matches(&record));
        }
    }

    /// Whatever the spilled value is: what was decided without it holds with it.
    #[test]
    fn what_is_decided_without_a_value_holds_with_it(selector in selector(), document in document()) {
        let selector = Selector::parse(&selector.to_string()).unwrap();
        let absent = [SelectorPath::parse("a").unwrap()];
        let whole = Value::parse(&document.to_string()).unwrap();
        let mut without = document;
        without.as_object_mut().unwrap().remove("a");
        let without = Value::parse(&without.to_string()).unwrap();
        if let Ok(decided) = selector.decide(&without, &absent) {
            prop_assert_eq!(decided, selector.matches(&whole));
        }
    }

    #[test]
    fn noise_is_refused_and_does_not_panic(text in "\\PC{0,60}") {
        if let Ok(selector) = Selector::parse(&text) {
            let _ = selector.push_down(&Fields::default());
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in value()) {
        let _ = Selector::parse(&value.to_string());
    }
}
