use repo_core::{Document, ErrorKind};

use super::*;

/// Whether it matches; what is pushed down must let every match through.
fn matches(selector: &str, document: &str) -> bool {
    let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    let document = Document::parse(document).unwrap();
    let truth = parsed.matches(&document.to_value());
    let pushed = parsed.push_down(&Fields::default());
    assert!(!truth || pushed.matches(&document), "{selector} on {document}: {pushed:?}");
    let negated = Selector::parse(&format!(r#"{{"$nor":[{selector}]}}"#)).unwrap();
    assert_eq!(negated.matches(&document.to_value()), !truth);
    assert!(truth || negated.push_down(&Fields::default()).matches(&document), "not {selector}");
    truth
}

#[track_caller]
fn check(document: &str, cases: &[(&str, bool)]) {
    for (selector, expected) in cases {
        assert_eq!(matches(selector, document), *expected, "{selector} on {document}");
    }
}

#[test]
fn values_are_compared_within_their_type() {
    check(
        r#"{"s":"abc","n":10,"z":null,"t":true,"o":{"k":1},"big":12345678901234567890.1}"#,
        &[
            ("{}", true),
            (r#"{"s":"abc"}"#, true),
            (r#"{"s":"ABC"}"#, false),
            (r#"{"n":10.0}"#, true),
            (r#"{"n":"10"}"#, false),
            (r#"{"n":{"$gt":9,"$lt":11}}"#, true),
            (r#"{"n":{"$gt":"9"}}"#, false),
            (r#"{"s":{"$gt":5}}"#, false),
            (r#"{"s":{"$lt":"abd"}}"#, true),
            (r#"{"s":{"$gte":"abc","$lte":"abc"}}"#, true),
            (r#"{"t":{"$gt":false}}"#, true),
            (r#"{"t":1}"#, false),
            (r#"{"t":{"$lt":5}}"#, false),
            (r#"{"o":{"k":1.0}}"#, true),
            (r#"{"o":{}}"#, false),
            (r#"{"o":{"$gt":{"k":0}}}"#, true),
            (r#"{"big":12345678901234567890.1}"#, true),
            (r#"{"big":{"$lt":12345678901234567890.2}}"#, true),
            (r#"{"big":{"$gt":12345678901234567890.1}}"#, false),
            (r#"{"n":{"$in":[1,10]}}"#, true),
            (r#"{"n":{"$in":[]}}"#, false),
            (r#"{"n":{"$nin":[1,2]}}"#, true),
            (r#"{"n":{"$not":{"$gt":10}}}"#, true),
            (r#"{"s":{"$not":{"$gt":10}}}"#, true),
        ],
    );
}

#[test]
fn nothing_equals_null() {
    check(
        r#"{"z":null,"a":{"b":1},"n":5,"e":[],"l":[1,2],"m":[{"b":null},{"c":1}],"k":[{"b":1}]}"#,
        &[
            (r#"{"z":null}"#, true),
            (r#"{"absent":null}"#, true),
            (r#"{"absent":{"$ne":null}}"#, false),
            (r#"{"z":{"$exists":true}}"#, true),
            (r#"{"z":{"$exists":1}}"#, true),
            (r#"{"absent":{"$exists":false}}"#, true),
            (r#"{"absent":{"$exists":0}}"#, true),
            (r#"{"absent":{"$gte":null}}"#, true),
            (r#"{"absent":{"$gt":null}}"#, false),
            (r#"{"absent":{"$in":[null,1]}}"#, true),
            (r#"{"absent":{"$nin":[null,1]}}"#, false),
            (r#"{"absent":{"$lt":5}}"#, false),
            (r#"{"absent":{"$ne":5}}"#, true),
            (r#"{"a.c":null}"#, true),
            (r#"{"n.b":null}"#, true),
            (r#"{"a.b":null}"#, false),
            // Elements that are no objects, and no elements, have no field that is missing.
            (r#"{"e.b":null}"#, false),
            (r#"{"l.b":null}"#, false),
            (r#"{"e.b":{"$exists":false}}"#, true),
            (r#"{"l.b":{"$exists":false}}"#, true),
            (r#"{"e":null}"#, false),
            (r#"{"m.b":null}"#, true),
            (r#"{"m.c":null}"#, true),
            (r#"{"k.b":null}"#, false),
            (r#"{"k.c":{"$gte":null}}"#, true),
        ],
    );
}

#[test]
fn elements_of_arrays_match() {
    check(
        r#"{"a":[1,"x",[3,4]],"o":[{"b":1,"c":[7,8]},{"b":2}],"d":[[{"b":9}]],"s":[5,20]}"#,
        &[
            (r#"{"a":1}"#, true),
            (r#"{"a":[1,"x",[3,4]]}"#, true),
            (r#"{"a":[1,"x"]}"#, false),
            (r#"{"a":[3,4]}"#, true),
            (r#"{"a":3}"#, false),
            (r#"{"a":{"$ne":1}}"#, false),
            (r#"{"a":{"$in":["x",99]}}"#, true),
            (r#"{"a":{"$regex":"^X$","$options":"i"}}"#, true),
            (r#"{"a":{"$exists":true}}"#, true),
            (r#"{"o.b":2}"#, true),
            (r#"{"o.b":{"$gt":1,"$lt":2}}"#, true),
            (r#"{"s":{"$gt":10,"$lt":10}}"#, true),
            (r#"{"o.c":8}"#, true),
            (r#"{"o.c":[7,8]}"#, true),
            (r#"{"o.0.b":1}"#, true),
            (r#"{"o.1.b":1}"#, false),
            (r#"{"o.c.1":8}"#, true),
            (r#"{"a.0":1}"#, true),
            (r#"{"a.00":1}"#, false),
            (r#"{"a.2":[3,4]}"#, true),
            (r#"{"a.2":3}"#, false),
            (r#"{"a.2.0":3}"#, true),
            (r#"{"d.b":9}"#, false),
            (r#"{"d.0.b":9}"#, true),
            (r#"{"d.0.0.b":9}"#, true),
            (r#"{"o":{"b":2}}"#, true),
            (r#"{"a":{"$gt":[1,"w"]}}"#, true),
        ],
    );
    // The number of an element, and the same text as a key in an element.
    check(r#"{"a":[5,{"1":4}]}"#, &[(r#"{"a.1":4}"#, true), (r#"{"a.1":{"1":4}}"#, true)]);
    check(r#"{"a":[5,[2,4]]}"#, &[(r#"{"a.1":[2,4]}"#, true), (r#"{"a.1":2}"#, false)]);
}

#[test]
fn groups_join_selectors() {
    check(
        r#"{"a":1,"b":2}"#,
        &[
            (r#"{"$and":[{"a":1},{"b":2}]}"#, true),
            (r#"{"$and":[{"a":1},{"b":3}]}"#, false),
            (r#"{"$or":[{"a":9},{"b":2}]}"#, true),
            (r#"{"$nor":[{"a":9},{"b":9}]}"#, true),
            (r#"{"$nor":[{"a":9},{"b":2}]}"#, false),
            (r#"{"a":1,"$or":[{"b":9}]}"#, false),
            (r#"{"a":{"$not":{"$not":{"$eq":1}}}}"#, true),
        ],
    );
}

#[test]
fn patterns_have_options() {
    check(
        "{\"s\":\"One\\ntwo\"}",
        &[
            (r#"{"s":{"$regex":"^two"}}"#, false),
            (r#"{"s":{"$regex":"^two","$options":"m"}}"#, true),
            (r#"{"s":{"$regex":"one.two","$options":"is"}}"#, true),
            (r#"{"s":{"$regex":"one.two","$options":"i"}}"#, false),
            (r#"{"s":{"$regex":"O n e # a name","$options":"xu"}}"#, true),
            (r#"{"s":{"$not":{"$regex":"three"}}}"#, true),
            (r#"{"n":{"$regex":""}}"#, false),
        ],
    );
}

#[test]
fn what_is_no_selector_is_refused_with_its_place() {
    let cases = [
        ("[]", ""),
        ("{", ""),
        (r#"{"a":1,"a":2}"#, "/a"),
        (r#"{"$where":"1"}"#, "/$where"),
        (r#"{"$not":{"a":1}}"#, "/$not"),
        (r#"{"$and":[]}"#, "/$and"),
        (r#"{"$or":{}}"#, "/$or"),
        (r#"{"$nor":[1]}"#, "/$nor/0"),
        (r#"{"$or":[{"a":{"$elemMatch":{"b":1}}}]}"#, "/$or/0/a/$elemMatch"),
        (r#"{"a":{"$gt":1,"b":2}}"#, "/a/b"),
        (r#"{"a":{"$in":1}}"#, "/a/$in"),
        (r#"{"a":{"$in":[1,{"$regex":"x"}]}}"#, "/a/$in/1"),
        (r#"{"a":{"$exists":"yes"}}"#, "/a/$exists"),
        (r#"{"a":{"$not":1}}"#, "/a/$not"),
        (r#"{"a":{"$not":{}}}"#, "/a/$not"),
        (r#"{"a":{"$not":{"b":1}}}"#, "/a/$not/b"),
        (r#"{"a":{"$regex":1}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":"("}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":"a)(b","$options":"i"}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":"(?=x)"}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":"x","$options":"g"}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":"(\\w{1000}){1000}"}}"#, "/a/$regex"),
        (r#"{"a":{"$options":"i"}}"#, "/a/$options"),
        (r#"{"a..b":1}"#, "/a..b"),
        (r#"{"a.$b":1}"#, "/a.$b"),
        (r#"{"a":12345678901234567890123456789012345678901}"#, "/a"),
    ];
    for (text, at) in cases {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert_eq!(error.context_value("at"), Some(at), "{text}: {error}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let many = |count: usize, item: &str| vec![item; count].join(",");
    let deep = format!("{}{{}}{}", r#"{"$and":["#.repeat(40), "]}".repeat(40));
    let cases = [
        deep,
        format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_SELECTOR_BYTES)),
        format!(r#"{{"$or":[{}]}}"#, many(MAX_CONDITIONS, r#"{"a":1}"#)),
        format!(r#"{{"$or":[{}]}}"#, many(MAX_PATTERNS + 1, r#"{"a":{"$regex":"x"}}"#)),
        format!(r#"{{"a":{{"$in":[{}]}}}}"#, many(MAX_VALUES + 1, "1")),
        format!(r#"{{"a":{{"$regex":"{}"}}}}"#, "x".repeat(MAX_PATTERN_BYTES + 1)),
        format!(r#"{{"a{}":1}}"#, ".0".repeat(MAX_PATH_STEPS)),
    ];
    for text in cases {
        let error = Selector::parse(&text).expect_err(&text[..60.min(text.len())]);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[test]
fn an_index_can_be_used_for_a_scalar() {
    let fields = Fields::default().renamed("_id", "id").unwrap().scalar("_id").unwrap();
    let fields = fields.scalar("data_type").unwrap();
    let selector = Selector::parse(r#"{"_id":{"$in":["1","2"]},"data_type":"json"}"#).unwrap();
    let filter = selector.push_down(&fields);
    let path = |text: &str| repo_core::FieldPath::parse(text).unwrap();
    assert_eq!(filter.required_values(&path("id")).map(<[_]>::len), Some(2));
    assert_eq!(filter.required_values(&path("data_type")).map(<[_]>::len), Some(1));
}

#[test]
fn a_value_that_is_not_here_is_never_silently_missing() {
    let fields = Fields::default().below("document").unwrap().spilled("value", "blob").unwrap();
    let absent = [SelectorPath::parse("value").unwrap()];
    let spilled = Document::parse(r#"{"document":{"t":"json"},"blob":"ab"}"#).unwrap();
    let inner = repo_core::Value::parse(r#"{"t":"json"}"#).unwrap();
    let cases = [
        (r#"{"value.x":{"$gt":5}}"#, None),
        (r#"{"value":null}"#, None),
        (r#"{"value":{"$ne":1}}"#, None),
        (r#"{"value":{"$exists":true}}"#, None),
        (r#"{"t":"json","value.x":1}"#, None),
        (r#"{"t":"file","value.x":1}"#, Some(false)),
        (r#"{"$or":[{"t":"json"},{"value.x":1}]}"#, Some(true)),
        (r#"{"$nor":[{"value.x":1}]}"#, None),
        (r#"{"valued":null}"#, Some(true)),
    ];
    for (text, expected) in cases {
        let selector = Selector::parse(text).unwrap();
        let decided = selector.decide(&inner, &absent);
        assert_eq!(decided.as_ref().ok().copied(), expected, "{text}");
        if let Err(error) = decided {
            assert_eq!(crate::Refusal::of(&error), Some(crate::Refusal::SpilledValue));
            assert!(error.context_value("field").is_some_and(|field| field.starts_with("value")));
        }
        let passes = selector.push_down(&fields).matches(&spilled);
        assert!(passes || expected == Some(false), "{text} hides the record");
    }
}

#[test]
fn a_field_that_cannot_be_filtered_is_refused() {
    let fields = Fields::default().refused("value.raw", "it is in a blob").unwrap();
    for text in [r#"{"value.raw":1}"#, r#"{"value":1}"#, r#"{"$nor":[{"value.raw.x":1}]}"#] {
        let error = fields.check(&Selector::parse(text).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.context_value("reason"), Some("it is in a blob"));
    }
    assert!(fields.check(&Selector::parse(r#"{"value.rawer":1}"#).unwrap()).is_ok());
}
