use super::*;
use crate::{CollectionSchema, ErrorKind, Result};

fn parse(source: &str) -> Result<Vec<FileSource>> {
    let schema = format!(
        r#"{{"x-repository":{{"collection":"requests","idField":"request_id","source":{source}}}}}"#
    );
    CollectionSchema::parse(&schema).map(|schema| schema.sources)
}

#[test]
fn a_source_with_children_is_read_as_it_says() {
    let sources = parse(
        r#"{"file": "*-db.json", "pointer": "/requests/*", "idField": "requestId",
            "rename": {"templateId": "template_id"},
            "constant": {"price": 0.12345678901234567890123456789},
            "children": {"machines": {"pointer": "machines/*", "idField": "machineId",
                "copy": {"requestId": "request_id"}, "onDuplicate": "last"}}}"#,
    )
    .unwrap();
    let [source] = sources.as_slice() else { panic!("{sources:?}") };
    assert!(source.file.matches("aws-db.json") && !source.optional && source.lock.is_none());
    assert_eq!(source.entries.pointer.to_string(), "/requests/*");
    assert_eq!(source.entries.id, SourceId::Field("requestId".to_owned()));
    assert_eq!(source.entries.rename["templateId"], "template_id");
    // No digit of a constant is lost.
    assert_eq!(source.entries.constant["price"].to_string(), "0.12345678901234567890123456789");
    assert_eq!(source.entries.on_duplicate, OnDuplicate::Refuse);
    let children: Vec<&ChildSource> = source.entries.descendants().collect();
    let [child] = children.as_slice() else { panic!("{children:?}") };
    assert_eq!(child.collection.as_str(), "machines");
    assert_eq!(child.entries.pointer.to_string(), "/machines/*");
    assert_eq!(child.copy["requestId"], "request_id");
    assert_eq!(child.entries.on_duplicate, OnDuplicate::Last);
}

#[test]
fn a_schema_may_have_several_sources_or_none() {
    assert!(parse("null").unwrap().is_empty());
    let sources = parse(
        r#"[{"file": "a.json", "pointer": "/*", "idFromKey": true, "optional": true},
            {"file": "b.json", "pointer": "/generic/*", "idFromKey": true, "shared": true,
             "lock": ".{file}.lock", "onDuplicate": {"newest": ["updated_at", "version"]}}]"#,
    )
    .unwrap();
    assert_eq!(sources.len(), 2);
    assert_eq!(sources[0].entries.id, SourceId::Key);
    assert!(sources[0].optional);
    assert_eq!(sources[1].entries.id, SourceId::SharedKey);
    assert_eq!(sources[1].lock.as_deref(), Some(".{file}.lock"));
    let OnDuplicate::Newest(fields) = &sources[1].entries.on_duplicate else { panic!() };
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    assert_eq!(fields, ["updated_at", "version"]);
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let at = |place: &str| format!("/x-repository/source{place}");
    for (source, place) in [
        (r#"7"#, at("")),
        (r#"[]"#, at("")),
        (r#"{"pointer": "/*"}"#, at("/file")),
        (r#"{"file": "a.json"}"#, at("/pointer")),
        (r#"{"file": "../a.json", "pointer": "/*"}"#, at("/file")),
        (r#"{"file": "/a.json", "pointer": "/*"}"#, at("/file")),
        (r#"{"file": "*/a.json", "pointer": "/*"}"#, at("/file")),
        (r#"{"file": "a.json", "pointer": "/requests"}"#, at("/pointer")),
        (r#"{"file": "a.json", "pointer": "//*"}"#, at("/pointer")),
        (r#"{"file": "a.json", "pointer": "/*", "idfield": "x"}"#, at("/idfield")),
        (r#"{"file": "a.json", "pointer": "/*", "idField": ""}"#, at("/idField")),
        (
            r#"{"file": "a.json", "pointer": "/*", "idField": "x", "idFromKey": true}"#,
            at("/idField"),
        ),
        (r#"{"file": "a.json", "pointer": "/*", "shared": true}"#, at("")),
        (r#"{"file": "a.json", "pointer": "/*", "optional": 1}"#, at("/optional")),
        (r#"{"file": "a.json", "pointer": "/*", "lock": "x/y"}"#, at("/lock")),
        (r#"{"file": "a.json", "pointer": "/*", "lock": "{file}"}"#, at("/lock")),
        (r#"{"file": "a.json", "pointer": "/*", "rename": {"a": "_version"}}"#, at("/rename/a")),
        (r#"{"file": "a.json", "pointer": "/*", "rename": {"a": "c", "b": "c"}}"#, at("/rename/b")),
        (r#"{"file": "a.json", "pointer": "/*", "rename": {"a/b": 1}}"#, at("/rename/a~1b")),
        (r#"{"file": "a.json", "pointer": "/*", "constant": []}"#, at("/constant")),
        (r#"{"file": "a.json", "pointer": "/*", "constant": {"": 1}}"#, at("/constant")),
        (r#"{"file": "a.json", "pointer": "/*", "onDuplicate": "first"}"#, at("/onDuplicate")),
        (
            r#"{"file": "a.json", "pointer": "/*", "onDuplicate": {"newest": []}}"#,
            at("/onDuplicate/newest"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*", "children": {"Machines": {"pointer": "m/*"}}}"#,
            at("/children/Machines"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*", "children": {"machines": {}}}"#,
            at("/children/machines/pointer"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*",
                "children": {"machines": {"pointer": "m/*", "shared": true}}}"#,
            at("/children/machines"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*",
                "children": {"machines": {"pointer": "groups/*/m/*"}}}"#,
            at("/children/machines"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*", "children": {"machines": {"pointer": "/*"}}}"#,
            at("/children/machines"),
        ),
        (
            r#"{"file": "a.json", "pointer": "/*",
                "children": {"machines": {"pointer": "m/*", "file": "b.json"}}}"#,
            at("/children/machines/file"),
        ),
    ] {
        let error = parse(source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{source}: {error}");
        assert_eq!(error.context_value("pointer"), Some(place.as_str()), "{source}: {error}");
        assert_eq!(error.context_value("collection"), Some("requests"), "{source}: {error}");
    }
}

#[test]
fn a_pattern_means_the_names_that_fit() {
    for (pattern, yes, no) in [
        ("a.json", &["a.json"][..], &["b.json", "a.json.bkp", "xa.json"][..]),
        ("*-db.json", &["aws-db.json", "-db.json"][..], &["aws-db.json.prev", ".x-db.json"][..]),
        ("a*b*c", &["abc", "aXbYc", "abbc"][..], &["ab", "acb", "abcd"][..]),
        ("ab*ba", &["abba", "ab-ba"][..], &["aba"][..]),
        (".hidden*", &[".hidden", ".hidden.json"][..], &["hidden"][..]),
    ] {
        let pattern = FilePattern::parse(pattern).unwrap();
        for name in yes {
            assert!(pattern.matches(name), "{pattern} {name}");
        }
        for name in no {
            assert!(!pattern.matches(name), "{pattern} {name}");
        }
    }
}
