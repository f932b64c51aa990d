use repo_core::strategy::OpenOptions;
use repo_core::{CollectionSchema, Schemas};

use super::*;
use crate::plan::{FileRoute, plan};

fn routes(source: &str) -> Vec<FileRoute> {
    let of = |name: &str, source: &str| {
        CollectionSchema::parse(&format!(
            r#"{{"x-repository":{{"collection":"{name}","idField":"id"{source}}}}}"#
        ))
        .unwrap()
    };
    let source = format!(r#","source":{{"file":"f.json","pointer":"/*"{source}}}"#);
    let schemas = Schemas::from_iter([of("parents", &source), of("kids", ""), of("pets", "")]);
    plan(&schemas, &OpenOptions::default()).unwrap()
}

/// The parts of an entry: collection, pointer, and the document or why there is none.
fn parts(source: &str, key: Option<&str>, text: &str) -> Vec<(String, String, String)> {
    let routes = routes(source);
    take_apart(&routes[0].root, key, text.as_bytes(), 10_000)
        .into_iter()
        .map(|part| {
            let made = match part.made {
                Ok(entity) => {
                    let named = entity.document.get(&part.route.schema.id_field);
                    assert_eq!(named, Some(Value::String(entity.id.to_string())));
                    entity.document.to_string()
                }
                Err(broken) => {
                    let at = EntryPlace { path: Path::new("f.json"), byte: 3, pointer: "/x" };
                    let error = broken.error(part.route, at, true);
                    format!("{} {}", error.context_value("pointer").unwrap(), error.message())
                }
            };
            (part.route.schema.collection.to_string(), part.pointer, made)
        })
        .collect()
}

fn one(source: &str, key: Option<&str>, text: &str) -> String {
    let mut parts = parts(source, key, text);
    assert_eq!(parts.len(), 1, "{parts:?}");
    parts.remove(0).2
}

#[test]
fn a_document_that_needs_nothing_stays_as_it_stands() {
    let text = r#"{ "z": 1.50, "id": "a", "big": 12345678901234567890123 }"#;
    let compact = r#"{"z":1.50,"id":"a","big":12345678901234567890123}"#;
    assert_eq!(one("", None, text), compact);
    assert_eq!(one(r#","idFromKey":true"#, Some("a"), text), compact);
}

#[test]
fn the_id_is_the_field_or_the_key_that_the_source_says() {
    let key = r#","idFromKey":true"#;
    let field = r#","idField":"key""#;
    for (source, name, text, made) in [
        ("", None, r#"{"id":7,"a":1}"#, r#"{"a":1,"id":"7"}"#),
        ("", None, r#"{"a":1}"#, "/x/id the id field is missing"),
        ("", None, r#"{"id":1.5}"#, "/x/id an id is a string or a whole number"),
        ("", None, r#"{"id":""}"#, "/x/id an id is not empty"),
        (field, None, r#"{"key":"k","a":1}"#, r#"{"a":1,"id":"k"}"#),
        (
            field,
            None,
            r#"{"key":"k","id":"i"}"#,
            "/x/id the entry has this field and key, which becomes it",
        ),
        (key, Some("k"), r#"{"a":1}"#, r#"{"a":1,"id":"k"}"#),
        (key, Some("k"), r#"{"id":"i"}"#, "/x/id the id field differs from the key"),
        (key, None, r#"{"id":"i"}"#, "/x the entry stands in a list, and has no key to be its id"),
    ] {
        assert_eq!(one(source, name, text), made, "{source} {text}");
    }
}

#[test]
fn fields_get_new_names_constants_and_values() {
    let rename = r#","rename":{"a":"b","b":"a"}"#;
    assert_eq!(one(rename, None, r#"{"id":"i","a":1,"b":2}"#), r#"{"a":2,"b":1,"id":"i"}"#);
    assert_eq!(one(rename, None, r#"{"id":"i","a":1}"#), r#"{"b":1,"id":"i"}"#);
    let clash = one(r#","rename":{"a":"c"}"#, None, r#"{"id":"i","a":1,"c":2}"#);
    assert_eq!(clash, "/x/a the entry has this field and c, which it is to be called");
    let constant = r#","constant":{"kind":"own","price":0.10}"#;
    assert_eq!(
        one(constant, None, r#"{"id":"i","kind":"theirs"}"#),
        r#"{"id":"i","kind":"theirs","price":0.1}"#
    );
    let value = r#","idFromKey":true,"valueField":"name""#;
    assert_eq!(one(value, Some("k"), r#""host""#), r#"{"id":"k","name":"host"}"#);
    assert_eq!(one(value, Some("k"), "1.50"), r#"{"id":"k","name":1.5}"#);
    assert_eq!(one(value, Some("k"), "[1]"), "/x an entity is an object");
    assert_eq!(one("", None, r#""host""#), "/x an entity is an object");
}

#[test]
fn children_are_entities_of_their_own_with_fields_of_the_one_around_them() {
    let source = r#","idField":"rid","children":{
        "kids":{"pointer":"more/kids/*","copy":{"rid":"parent","zone":"zone","id":"again"},
            "children":{"pets":{"pointer":"pets/*","idFromKey":true,"valueField":"name",
                "copy":{"parent":"owner_of"}}}}}"#;
    let text = r#"{"rid":"p","zone":"z","more":{"kept":1,"kids":[
        {"id":"k1","zone":"own","pets":{"cat":"Minka"}}, {"id":"k2","pets":null}]}}"#;
    let found = parts(source, None, text);
    let expected = [
        ("parents", "", r#"{"id":"p","more":{"kept":1},"zone":"z"}"#),
        ("kids", "/more/kids/0", r#"{"again":"p","id":"k1","parent":"p","zone":"own"}"#),
        ("pets", "/more/kids/0/pets/cat", r#"{"id":"cat","name":"Minka","owner_of":"p"}"#),
        ("kids", "/more/kids/1", r#"{"again":"p","id":"k2","parent":"p","zone":"z"}"#),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
        .collect();
    assert_eq!(found, expected);
    // The order is the same each time.
    assert_eq!(parts(source, None, text), expected);
}

#[test]
fn what_is_broken_does_not_hide_what_is_not() {
    let source = r#","children":{"kids":{"pointer":"kids/*"},"pets":{"pointer":"pets/*"}}"#;
    let found = parts(source, None, r#"{"kids":[{"id":"k"},{"a":1},7],"pets":"none"}"#);
    let made: Vec<&str> = found.iter().map(|(_, _, made)| made.as_str()).collect();
    assert_eq!(
        made,
        [
            "/x/id the id field is missing",
            r#"{"id":"k"}"#,
            "/x/kids/1/id the id field is missing",
            "/x/kids/2 an entity is an object",
            "/x/pets an object or a list of entities belongs here",
        ]
    );
    let found = parts(source, Some("key"), r#"{"id":"a","a":{"b":1,"b":2}}"#);
    assert_eq!(found[0].2, "/x/a/b a key stands twice in one object");
    let long = format!(r#"{{"id":"a","text":"{}"}}"#, "x".repeat(10_000));
    assert_eq!(one("", None, &long), "/x the document is larger than the limit");
    assert_eq!(one("", None, r#"{"id":"a","_version":1}"#).split(' ').next(), Some("/x/_version"));
}

#[test]
fn an_entry_of_a_shared_place_belongs_to_the_collection_of_its_id() {
    let of = |name: &str| {
        CollectionSchema::parse(&format!(
            r#"{{"x-repository":{{"collection":"{name}s","idField":"{name}_id","source":
                {{"file":"f.json","pointer":"/*","idFromKey":true,"shared":true}}}}}}"#
        ))
        .unwrap()
    };
    let schemas = Schemas::from_iter([of("machine"), of("request"), of("template")]);
    let routes = plan(&schemas, &OpenOptions::default()).unwrap();
    let taken = |text: &str| -> Vec<String> {
        let parts = routes
            .iter()
            .flat_map(|route| take_apart(&route.root, Some("k"), text.as_bytes(), 10_000));
        parts
            .map(|part| match part.made {
                Ok(_) => part.route.schema.collection.to_string(),
                Err(_) => "broken".to_owned(),
            })
            .collect()
    };
    assert_eq!(taken(r#"{"machine_id":"k","request_id":"r","template_id":"t"}"#), ["machines"]);
    assert_eq!(taken(r#"{"request_id":"k","template_id":"t"}"#), ["requests"]);
    assert_eq!(taken(r#"{"template_id":"k"}"#), ["templates"]);
    assert_eq!(taken(r#"{"machine_id":"other"}"#), ["broken", "broken", "broken"]);
    assert_eq!(taken(r#"{"machine_id":"k","request_id":"k"}"#), ["broken", "broken", "broken"]);
}
