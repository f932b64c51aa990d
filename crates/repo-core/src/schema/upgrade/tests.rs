use proptest::prelude::*;

use crate::{CollectionName, CollectionSchema, Document, Error, ErrorKind, UpgradePath};

/// A schema of version 2 with these steps from 1.
fn by_steps(steps: &str) -> Result<CollectionSchema, Error> {
    with_upgrades(2, &format!(r#"[{{"from":1,"to":2,"steps":{steps}}}]"#))
}

fn with_upgrades(version: u32, upgrades: &str) -> Result<CollectionSchema, Error> {
    CollectionSchema::parse(&format!(
        r#"{{"x-repository":{{"collection":"things","idField":"id","indexes":[["old"]],"schemaVersion":{version},"upgrades":{upgrades}}}}}"#
    ))
}

fn apply(steps: &str, document: &str) -> Result<String, Error> {
    let path = by_steps(steps)?.upgrade_path(1, 2).unwrap();
    let upgraded = path.apply(&Document::parse(document)?)?;
    Ok(upgraded.as_str().to_owned())
}

#[test]
fn each_step_does_what_it_says_and_no_more() {
    let deep = r#"[{"rename":{"from":"a.b","to":"c.d.e"}}]"#;
    let convert = |to: &str| format!(r#"[{{"convert":{{"field":"v","to":"{to}"}}}}]"#);
    let default =
        r#"[{"default":{"field":"o.v","value":[1.50,12345678901234567890123456789012345678]}}]"#;
    let remove = r#"[{"remove":{"field":"old"}}]"#;
    let cases = [
        (deep, r#"{"a":{"b":1,"x":2}}"#, r#"{"a":{"x":2},"c":{"d":{"e":1}}}"#),
        (deep, r#"{"a":{"b":null},"c":{"x":1}}"#, r#"{"a":{},"c":{"d":{"e":null},"x":1}}"#),
        // A field behind something else than an object is missing.
        (deep, r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1}]}"#),
        (deep, r#"{"a":"b","c":1}"#, r#"{"a":"b","c":1}"#),
        (default, "{}", r#"{"o":{"v":[1.5,12345678901234567890123456789012345678]}}"#),
        (default, r#"{"o":{"v":null}}"#, r#"{"o":{"v":null}}"#),
        (default, r#"{"o":{"v":false}}"#, r#"{"o":{"v":false}}"#),
        (remove, r#"{"old":"indexed","x":1}"#, r#"{"x":1}"#),
        (remove, r#"{"x":1}"#, r#"{"x":1}"#),
        (&convert("string"), r#"{"v":1.50}"#, r#"{"v":"1.5"}"#),
        (
            &convert("string"),
            r#"{"v":99999999999999999999999999999999999999}"#,
            r#"{"v":"99999999999999999999999999999999999999"}"#,
        ),
        (&convert("string"), r#"{"v":true}"#, r#"{"v":"true"}"#),
        (&convert("string"), r#"{"v":"as it is"}"#, r#"{"v":"as it is"}"#),
        (
            &convert("number"),
            r#"{"v":"0.12345678901234567890123456789012345678"}"#,
            r#"{"v":0.12345678901234567890123456789012345678}"#,
        ),
        (&convert("number"), r#"{"v":null}"#, r#"{"v":null}"#),
        (&convert("number"), "{}", "{}"),
        (&convert("integer"), r#"{"v":"1e2"}"#, r#"{"v":100}"#),
        (&convert("integer"), r#"{"v":2.0}"#, r#"{"v":2}"#),
        (
            &convert("integer"),
            r#"{"v":"-12345678901234567890123456789012345678"}"#,
            r#"{"v":-12345678901234567890123456789012345678}"#,
        ),
        (&convert("boolean"), r#"{"v":"false"}"#, r#"{"v":false}"#),
        (&convert("boolean"), r#"{"v":1.0}"#, r#"{"v":true}"#),
    ];
    for (steps, before, after) in cases {
        assert_eq!(apply(steps, before).unwrap(), after, "{steps} {before}");
    }
}

#[test]
fn steps_follow_each_other() {
    let steps = r#"[{"rename":{"from":"a","to":"b"}},{"default":{"field":"a","value":"new"}},
                    {"convert":{"field":"b","to":"number"}},{"remove":{"field":"c"}}]"#;
    assert_eq!(
        apply(steps, r#"{"a":"7","c":1,"id":"x"}"#).unwrap(),
        r#"{"a":"new","b":7,"id":"x"}"#
    );
}

#[test]
fn what_cannot_be_done_exactly_is_refused_with_rule_and_place() {
    let rename = r#"[{"rename":{"from":"a","to":"b.c"}}]"#;
    let convert = |to: &str| format!(r#"[{{"convert":{{"field":"o.v","to":"{to}"}}}}]"#);
    let cases = [
        (rename, r#"{"a":1,"b":{"c":null}}"#, "/b/c", "rename a to b.c"),
        (rename, r#"{"a":1,"b":[]}"#, "/b/c", "rename a to b.c"),
        (r#"[{"default":{"field":"b.c","value":1}}]"#, r#"{"b":""}"#, "/b/c", "default b.c to 1"),
        (&convert("number"), r#"{"o":{"v":"abc"}}"#, "/o/v", "convert o.v to number"),
        (&convert("number"), r#"{"o":{"v":" 1"}}"#, "/o/v", "convert o.v to number"),
        (&convert("number"), r#"{"o":{"v":"0x10"}}"#, "/o/v", "convert o.v to number"),
        (&convert("number"), r#"{"o":{"v":"1e126"}}"#, "/o/v", "convert o.v to number"),
        (&convert("number"), r#"{"o":{"v":true}}"#, "/o/v", "convert o.v to number"),
        // 39 digits: nothing is rounded.
        (
            &convert("number"),
            r#"{"o":{"v":"123456789012345678901234567890123456789"}}"#,
            "/o/v",
            "convert o.v to number",
        ),
        (&convert("integer"), r#"{"o":{"v":"1.5"}}"#, "/o/v", "convert o.v to integer"),
        (&convert("integer"), r#"{"o":{"v":1e-1}}"#, "/o/v", "convert o.v to integer"),
        (&convert("boolean"), r#"{"o":{"v":"True"}}"#, "/o/v", "convert o.v to boolean"),
        (&convert("boolean"), r#"{"o":{"v":2}}"#, "/o/v", "convert o.v to boolean"),
        (&convert("string"), r#"{"o":{"v":[]}}"#, "/o/v", "convert o.v to string"),
    ];
    for (steps, document, pointer, rule) in cases {
        let error = apply(steps, document).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{steps} {document}");
        assert_eq!(error.context_value("pointer"), Some(pointer), "{error}");
        assert_eq!(error.context_value("rule"), Some(rule), "{error}");
        assert_eq!(error.context_value("upgrade"), Some("1→2"), "{error}");
    }
}

#[test]
fn the_outcome_keeps_the_rules_for_documents() {
    let deep = format!("{}1{}", "[".repeat(30), "]".repeat(30));
    let document = format!(r#"{{"a":{deep}}}"#);
    let error = apply(r#"[{"rename":{"from":"a","to":"b.c"}}]"#, &document).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.context_value("upgrade"), Some("1→2"));
}

#[test]
fn a_malformed_declaration_is_refused_at_its_place() {
    let cases = [
        ("{}", "/x-repository/upgrades", ""),
        (r#"[{"from":1,"to":2}]"#, "/x-repository/upgrades/0/steps", ""),
        (r#"[{"from":1,"to":2,"step":[]}]"#, "/x-repository/upgrades/0/step", "`steps`"),
        (r#"[{"from":0,"to":2,"steps":[]}]"#, "/x-repository/upgrades/0/from", ""),
        (r#"[{"from":1.5,"to":2,"steps":[]}]"#, "/x-repository/upgrades/0/from", ""),
        (r#"[{"from":2,"to":2,"steps":[]}]"#, "/x-repository/upgrades/0", ""),
        (r#"[{"from":2,"to":3,"steps":[]}]"#, "/x-repository/upgrades/0/to", "schemaVersion"),
        (
            r#"[{"from":1,"to":2,"steps":[]},{"from":1,"to":2,"steps":[]}]"#,
            "/x-repository/upgrades/1",
            "",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"renam":{"from":"a","to":"b"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/renam",
            "`rename`",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"remove":{"field":"a"},"rename":{"from":"a","to":"b"}}]}]"#,
            "/x-repository/upgrades/0/steps/0",
            "",
        ),
        (r#"[{"from":1,"to":2,"steps":[{}]}]"#, "/x-repository/upgrades/0/steps/0", ""),
        (
            r#"[{"from":1,"to":2,"steps":[{"remove":{"field":"a..b"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/remove/field",
            "",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"remove":{"field":"_version"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/remove/field",
            "",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"convert":{"field":"a","to":"int"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/convert/to",
            "`integer`",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"default":{"field":"a"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/default/value",
            "",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"default":{"field":"a","value":1e200}}]}]"#,
            "/x-repository/upgrades/0/steps/0/default/value",
            "",
        ),
        (
            r#"[{"from":1,"to":2,"steps":[{"rename":{"from":"a","to":"a.b"}}]}]"#,
            "/x-repository/upgrades/0/steps/0/rename",
            "",
        ),
    ];
    for (upgrades, pointer, hint) in cases {
        let error = with_upgrades(2, upgrades).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{upgrades}");
        assert_eq!(error.context_value("pointer"), Some(pointer), "{upgrades}: {error}");
        assert_eq!(error.context_value("collection"), Some("things"));
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{upgrades}: {error:?}");
    }
}

#[test]
fn the_id_field_stays() {
    for step in [
        r#"{"rename":{"from":"id","to":"b"}}"#,
        r#"{"rename":{"from":"b","to":"id"}}"#,
        r#"{"default":{"field":"id.x","value":1}}"#,
        r#"{"remove":{"field":"id"}}"#,
        r#"{"convert":{"field":"id","to":"string"}}"#,
    ] {
        let error = by_steps(&format!("[{step}]")).unwrap_err();
        assert!(error.message().contains("id field"), "{step}: {error}");
    }
    let things = CollectionSchema::undeclared("things".parse::<CollectionName>().unwrap());
    let changed = things.with_upgrade(1, 2, |_| Document::parse(r#"{"id":"other"}"#)).unwrap();
    let path = changed.upgrade_path(1, 2).unwrap();
    let error = path.apply(&Document::parse(r#"{"id":"one"}"#).unwrap()).unwrap_err();
    assert_eq!(error.context_value("pointer"), Some("/id"));
}

#[test]
fn functions_and_steps_make_one_way() {
    let upgrades = r#"[{"from":1,"to":2,"steps":[{"rename":{"from":"a","to":"b"}}]}]"#;
    let schema = with_upgrades(3, upgrades).unwrap();
    let exact = |document: &Document| {
        let text = document.as_str();
        Document::parse(&format!("{},\"seen\":1}}", &text[..text.len() - 1]))
    };
    let schema = schema.with_upgrade(2, 3, exact).unwrap();
    let path = schema.upgrade_path(1, 3).unwrap();
    assert_eq!((path.to_string().as_str(), path.versions()), ("1→2→3", vec![1, 2, 3]));
    let upgraded = path.apply(&Document::parse(r#"{"id":"x","a":1}"#).unwrap()).unwrap();
    assert_eq!(upgraded.as_str(), r#"{"b":1,"id":"x","seen":1}"#);
    assert!(schema.clone().with_upgrade(2, 3, exact).is_err(), "there is one already");
    assert!(schema.clone().with_upgrade(3, 3, exact).is_err());
    assert!(schema.with_upgrade(0, 3, exact).is_err());
}

#[test]
fn other_steps_are_another_way() {
    let of = |steps: &str| by_steps(steps).unwrap().upgrade_path(1, 2).unwrap().fingerprint();
    let one = of(r#"[{"default":{"field":"a","value":1}}]"#);
    assert_eq!(one, of(r#"[ {"default": {"value": 1.0, "field": "a"}} ]"#));
    assert_ne!(one, of(r#"[{"default":{"field":"a","value":"1"}}]"#));
    assert_ne!(one, of(r#"[{"default":{"field":"a","value":2}}]"#));
    assert_ne!(one, of(r#"[{"remove":{"field":"a"}}]"#));
}

#[test]
fn documents_without_a_recorded_version_start_where_the_upgrades_do() {
    assert_eq!(by_steps("[]").unwrap().unrecorded_version(), 1);
    let unconnected = with_upgrades(3, r#"[{"from":1,"to":2,"steps":[]}]"#).unwrap();
    assert_eq!(unconnected.unrecorded_version(), 3);
}

/// The upgrades of `edges`, and the shortest way by trying all of them.
fn graph(edges: &[(u32, u32)]) -> CollectionSchema {
    let things = CollectionSchema::undeclared("things".parse::<CollectionName>().unwrap());
    let clone = |document: &Document| Ok(document.clone());
    edges.iter().fold(things, |schema, &(from, to)| {
        schema.clone().with_upgrade(from, to, clone).unwrap_or(schema)
    })
}

/// All ways of at most `steps` upgrades that meet no version twice.
fn ways(edges: &[(u32, u32)], from: u32, to: u32, steps: usize) -> Vec<Vec<u32>> {
    let mut open = vec![vec![from]];
    let mut found = Vec::new();
    for _ in 0..=steps {
        let (there, rest): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|way| way.last() == Some(&to));
        found.extend(there);
        open = rest
            .iter()
            .flat_map(|way| {
                let next = edges.iter().filter(|edge| Some(&edge.0) == way.last());
                next.filter(|edge| !way.contains(&edge.1))
                    .map(|edge| [way.as_slice(), &[edge.1]].concat())
            })
            .collect();
    }
    found
}

proptest! {
    #[test]
    fn the_way_is_the_first_of_the_shortest(
        edges in prop::collection::vec((1_u32..7, 1_u32..7), 0..14), from in 1_u32..7, to in 1_u32..7,
    ) {
        let schema = graph(&edges);
        let found = schema.upgrade_path(from, to);
        let shortest = ways(&edges, from, to, 6).into_iter().min_by_key(|way| (way.len(), way.clone()));
        prop_assert_eq!(found.as_ref().map(UpgradePath::versions), shortest);
        // The order in which upgrades are declared does not matter.
        let reversed: Vec<_> = edges.iter().rev().copied().collect();
        let again = graph(&reversed).upgrade_path(from, to);
        prop_assert_eq!(again.map(|path| path.versions()), found.map(|path| path.versions()));
    }
}
