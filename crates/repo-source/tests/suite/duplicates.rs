//! Ids that stand twice.

use repo_core::{Consistency, ErrorKind, Filter};

use crate::support::{Folder, documents, id, name, schema, things};

const TWICE: &str = "{\"things\": [\n  {\"id\": \"a\", \"n\": 1},\n  {\"id\": \"b\"},\n  \
                     {\"id\": \"a\", \"n\": 2}\n]}";

#[tokio::test]
async fn an_id_that_stands_twice_is_refused_with_both_places() {
    let folder = Folder::with("state.json", TWICE);
    let error = folder.refused(things(r#"{"file":"state.json","pointer":"/things/*"}"#)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(error.context_value("key"), Some("a"));
    assert_eq!(error.context_value("collection"), Some("things"));
    assert_eq!(error.context_value("pointer"), Some("/things/2"));
    assert_eq!(error.context_value("line"), Some("4"));
    let also = error.context_value("also_at").unwrap();
    assert!(also.ends_with("state.json line 2, byte 15, /things/0"), "{also}");
    assert!(error.hint_text().unwrap().contains("onDuplicate"), "{error:?}");
}

#[tokio::test]
async fn the_later_or_the_newer_one_stays_where_the_source_says_so() {
    let last = r#"{"file":"state.json","pointer":"/things/*","onDuplicate":"last"}"#;
    let folder = Folder::with("state.json", TWICE);
    let store = folder.open(things(last)).await;
    let found = documents(&store, "things").await;
    assert_eq!(found["a"], r#"{"id":"a","n":2}"#);
    assert_eq!(found.len(), 2);
    let count = store.count(&name("things"), &Filter::default(), Consistency::Strong).await;
    assert_eq!(count.unwrap(), 2);
    let words = store.foreign().unwrap();
    assert!(words.ends_with("others of the same id that were left out: 1 things"), "{words}");

    let newest = r#"{"file":"state.json","pointer":"/things/*",
        "onDuplicate":{"newest":["updated_at","version"]}}"#;
    folder.write(
        "state.json",
        r#"{"things": [
            {"id": "a", "version": 3}, {"id": "a", "version": 2}, {"id": "a", "version": 4.5},
            {"id": "b", "version": 9, "updated_at": "2026-03-01T08:00:00Z"},
            {"id": "b", "version": 1, "updated_at": "2026-03-01T08:00:01Z"},
            {"id": "c", "n": 1.0}, {"n": 1, "id": "c"}]}"#,
    );
    let store = folder.open(things(newest)).await;
    let found = documents(&store, "things").await;
    assert_eq!(found["a"], r#"{"id":"a","version":4.5}"#);
    assert!(found["b"].contains(r#""version":1"#), "{found:?}");
    assert_eq!(found["c"], r#"{"id":"c","n":1.0}"#);
    assert_eq!(found.len(), 3);

    folder.write("state.json", r#"{"things": [{"id": "a", "n": 1}, {"id": "a", "n": 2}]}"#);
    let error = folder.refused(things(newest)).await;
    assert!(error.message().contains("neither is newer"), "{error}");
    assert_eq!(error.context_value("compared"), Some("updated_at, version"));
}

#[tokio::test]
async fn an_id_that_stands_in_two_parents_or_files_is_named_by_both() {
    let requests = schema(
        "requests",
        "id",
        r#"{"file":"*.json","pointer":"/*","children":{"machines":{"pointer":"machines/*"}}}"#,
    );
    let schemas = repo_core::Schemas::from_iter([requests, schema("machines", "id", "")]);
    let folder = Folder::with("a.json", r#"[{"id": "r-1", "machines": [{"id": "m"}]}]"#);
    let second = r#"{"id": "r-2", "machines": [{"id": "n"}, {"id": "m"}]}"#;
    folder.write("b.json", &format!("[\n{second}]"));
    let error = folder.refused(schemas).await;
    assert_eq!(error.context_value("key"), Some("m"), "{error}");
    assert!(error.context_value("file").unwrap().ends_with("b.json"));
    assert_eq!(error.context_value("pointer"), Some("/0/machines/1"));
    assert_eq!(error.context_value("line"), Some("2"));
    assert!(error.context_value("also_at").unwrap().contains("a.json line 1"), "{error}");
    assert!(error.context_value("also_at").unwrap().ends_with("/0/machines/0"), "{error}");
}

#[tokio::test]
async fn what_was_left_out_is_not_found_by_its_place() {
    let folder = Folder::with("a.json", r#"{"x": {"v": 1}, "y": {"v": 1}}"#);
    folder.write("b.json", r#"{"x": {"v": 2}}"#);
    let schemas =
        things(r#"{"file":"*.json","pointer":"/*","idFromKey":true,"onDuplicate":"last"}"#);
    let store = folder.open(schemas).await;
    let found = store.get_many(&name("things"), &[id("x"), id("y")]).await.unwrap();
    let texts: Vec<String> =
        found.into_iter().map(|record| record.unwrap().document().unwrap().to_string()).collect();
    assert_eq!(texts, [r#"{"id":"x","v":2}"#, r#"{"id":"y","v":1}"#]);
}
