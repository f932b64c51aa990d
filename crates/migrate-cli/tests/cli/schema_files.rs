//! The published JSON Schema of schema files says what is read, and nothing else.

use std::path::{Path, PathBuf};

use repo_core::CollectionSchema;
use serde_json::{Value as Json, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn published() -> jsonschema::Validator {
    jsonschema::draft202012::new(&read(&folder().join("collection.schema.json"))).unwrap()
}

/// Every schema file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

#[test]
fn every_schema_file_that_comes_along_fits() {
    let published = published();
    let files: Vec<PathBuf> =
        ["collections", "presets"].iter().flat_map(|name| files(&folder().join(name))).collect();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let schema = read(&file);
        let errors: Vec<String> =
            published.iter_errors(&schema).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
        CollectionSchema::parse(&schema.to_string()).unwrap();
    }
}

/// A schema file with these members in its block.
fn schema(members: Json) -> Json {
    let mut block = json!({"collection": "hosts", "idField": "id"});
    block.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"type": "object", "x-repository": block})
}

/// One with a source that has these members.
fn source(members: Json) -> Json {
    let mut source = json!({"file": "a.json", "pointer": "/*"});
    source.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    schema(json!({ "source": source }))
}

fn child(child: Json) -> Json {
    source(json!({"children": {"machines": child}}))
}

#[test]
fn what_it_allows_is_read() {
    let published = published();
    for schema in [
        schema(json!({})),
        schema(json!({"indexes": [["a", "b.c"]], "references": {"a": "b"}, "table": "T"})),
        schema(json!({"references": {"a": "b"}, "enforceReferences": true})),
        schema(json!({"enforceReferences": false})),
        schema(json!({"schemaVersion": 2, "upgrades": [
            {"from": 1, "to": 2, "steps": [{"default": {"field": "x", "value": null}}]}]})),
        json!({"properties": {"until": {"type": "string"}},
            "x-repository": {"collection": "hosts", "idField": "id", "ttlField": "until"}}),
        source(json!({})),
        source(json!({"file": "in/.x-*.json", "lock": ".{file}.lock", "optional": true})),
        source(json!({"pointer": "a/*/b~1c/*", "idField": "x", "rename": {"a": "b", "b": "a"}})),
        source(json!({"idFromKey": true, "shared": true, "valueField": "v"})),
        source(json!({"constant": {"a": [1, null]}, "onDuplicate": {"newest": ["a.b"]}})),
        schema(json!({"source": [{"file": "a", "pointer": "*"}, {"file": "b", "pointer": "*"}]})),
        child(json!({"pointer": "/in/list/*", "copy": {"a": "b"},
            "children": {"parts": {"pointer": "p/*", "onDuplicate": "last"}}})),
    ] {
        let errors: Vec<String> =
            published.iter_errors(&schema).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{schema}: {errors:#?}");
        CollectionSchema::parse(&schema.to_string()).unwrap();
    }
}

#[test]
fn what_is_refused_does_not_fit() {
    let published = published();
    for schema in [
        json!({"type": "object"}),
        schema(json!({"surce": {}})),
        schema(json!({"ttlField": ""})),
        schema(json!({"ttlField": 7})),
        schema(json!({"idField": ""})),
        schema(json!({"collection": "Hosts"})),
        schema(json!({"enforceReferences": true})),
        schema(json!({"references": {}, "enforceReferences": true})),
        schema(json!({"references": {"a": "b"}, "enforceReferences": "yes"})),
        schema(json!({"table": ""})),
        schema(json!({"upgrades": [{"from": 1, "to": 1, "steps": [{"rename": {"from": "a"}}]}]})),
        schema(json!({"source": []})),
        schema(json!({"source": {"file": "a.json"}})),
        schema(json!({"source": {"pointer": "/*"}})),
        source(json!({"idfield": "x"})),
        source(json!({"copy": {}})),
        source(json!({"file": "../a.json"})),
        source(json!({"file": "a*/b.json"})),
        source(json!({"file": "a/./b.json"})),
        source(json!({"file": "a/"})),
        source(json!({"pointer": "/requests"})),
        source(json!({"pointer": "/a//*"})),
        source(json!({"lock": "{file}"})),
        source(json!({"lock": "in/x.lock"})),
        source(json!({"optional": "yes"})),
        source(json!({"idField": "x", "idFromKey": true})),
        source(json!({"shared": true})),
        source(json!({"rename": {"a": "_version"}})),
        source(json!({"constant": {"_deleted": true}})),
        source(json!({"valueField": ""})),
        source(json!({"onDuplicate": "lst"})),
        source(json!({"onDuplicate": {"newest": []}})),
        child(json!({"pointer": "m/*/n/*"})),
        child(json!({"pointer": "*"})),
        child(json!({"pointer": "m/*", "file": "a.json"})),
    ] {
        assert!(!published.is_valid(&schema), "{schema}");
        CollectionSchema::parse(&schema.to_string()).unwrap_err();
    }
}
