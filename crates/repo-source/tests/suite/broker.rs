//! The files of a broker that keeps entities of all kinds in one section.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, ErrorKind, Schemas};
use repo_source::{BrokerFiles, open_broker};

use crate::support::{Folder, Store, documents, name, reading, schema};

const SINGLE: &str = "request_database.json";

fn schemas() -> Schemas {
    Schemas::from_iter([
        schema("machines", "machine_id", ""),
        schema("requests", "request_id", ""),
        schema("templates", "template_id", ""),
    ])
}

async fn try_open(folder: &Folder, options: OpenOptions) -> repo_core::Result<Option<Store>> {
    let files = BrokerFiles {
        folder: folder.path(""),
        single_file: SINGLE.to_owned(),
        split_files: vec![(name("templates"), "their-templates.json".to_owned())],
    };
    open_broker(files, options).await
}

async fn open(folder: &Folder) -> Store {
    try_open(folder, reading(schemas())).await.unwrap().unwrap()
}

async fn all(store: &Store) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for collection in store.collections().await.unwrap() {
        let documents = documents(store, collection.as_str()).await.into_iter();
        found.extend(documents.map(|(id, document)| (format!("{collection}/{id}"), document)));
    }
    found
}

/// A machine carries the ids of its request and template as well.
const GENERIC: &str = r#""generic": {
    "m-1": {"machine_id": "m-1", "request_id": "r-1", "template_id": "t", "version": 3},
    "m-2": {"machine_id": "m-2", "request_id": "r-1", "template_id": "t", "version": 0},
    "r-1": {"request_id": "r-1", "template_id": "t", "version": 1},
    "t": {"template_id": "t"}}"#;

#[tokio::test]
async fn entries_of_the_shared_section_go_to_their_collections() {
    let text = format!(
        r#"{{"templates": {{}}, "requests": {{"r-1": {{"request_id": "r-1", "version": 2}}}},
             "machines": {{"m-1": {{"machine_id": "m-1", "version": 2.0}}}}, {GENERIC}}}"#
    );
    let folder = Folder::with(SINGLE, &text);
    folder.write(&format!("backups/{SINGLE}"), "not JSON");
    let store = open(&folder).await;
    let found = all(&store).await;
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(keys, ["machines/m-1", "machines/m-2", "requests/r-1", "templates/t"]);
    // Of each id the newer one stays, wherever it stands.
    assert!(found["machines/m-1"].contains(r#""version":3"#), "{found:?}");
    assert!(found["requests/r-1"].contains(r#""version":2"#), "{found:?}");
    let words = store.foreign().unwrap();
    assert!(words.contains("share: 2 machines, 1 templates"), "{words}");
    assert!(words.contains("left out: 1 machines, 1 requests"), "{words}");
    assert!(store.location().starts_with("json:/"), "{}", store.location());
}

#[tokio::test]
async fn the_section_may_be_all_there_is() {
    let folder = Folder::with(SINGLE, &format!("{{{GENERIC}}}"));
    assert_eq!(all(&open(&folder).await).await.len(), 4);
}

#[tokio::test]
async fn the_section_may_stand_beside_files_of_single_collections() {
    let folder = Folder::with(SINGLE, &format!("{{\"machines\": {{}}, {GENERIC}}}"));
    folder.write("machines.json", r#"{"machines": {"m-9": {"machine_id": "m-9"}}}"#);
    folder.write("their-templates.json", r#"{"templates": {"t-9": {"template_id": "t-9"}}}"#);
    folder.write("notes.json", r#"{"notes": {"n": {"id": "n"}}}"#);
    let found = all(&open(&folder).await).await;
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "machines/m-1",
            "machines/m-2",
            "machines/m-9",
            "notes/n",
            "requests/r-1",
            "templates/t",
            "templates/t-9"
        ]
    );
    // With entities in both layouts one of them must be a leftover.
    folder.write(
        SINGLE,
        &format!("{{\"requests\": {{\"r\": {{\"request_id\": \"r\"}}}}, {GENERIC}}}"),
    );
    assert!(try_open(&folder, reading(schemas())).await.unwrap().is_none());
}

#[tokio::test]
async fn files_without_the_section_are_left_to_others() {
    for text in [r#"{"machines": {"m": {"machine_id": "m"}}}"#, r#"{"generic": {}}"#] {
        let folder = Folder::with(SINGLE, text);
        assert!(try_open(&folder, reading(schemas())).await.unwrap().is_none(), "{text}");
    }
    assert!(try_open(&Folder::new(), reading(schemas())).await.unwrap().is_none());
}

#[tokio::test]
async fn an_entry_of_no_collection_and_a_tie_are_refused() {
    let folder = Folder::with(SINGLE, r#"{"generic": {"x": {"machine_id": "y"}}}"#);
    let error = try_open(&folder, reading(schemas())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(error.context_value("pointer"), Some("/generic/x"));
    folder.write(
        SINGLE,
        r#"{"machines": {"m": {"machine_id": "m", "a": 1}},
            "generic": {"m": {"machine_id": "m", "a": 2}}}"#,
    );
    let error = try_open(&folder, reading(schemas())).await.unwrap_err();
    assert!(error.message().contains("neither is newer"), "{error}");
    assert_eq!(error.context_value("pointer"), Some("/generic/m"));
    assert!(error.context_value("also_at").unwrap().ends_with("/machines/m"), "{error}");
}

#[tokio::test]
async fn only_what_is_selected_is_read() {
    let folder = Folder::with(SINGLE, &format!("{{{GENERIC}}}"));
    let only = std::collections::BTreeSet::<CollectionName>::from([name("machines")]);
    let options = reading(schemas()).with_only(Some(Arc::new(only)));
    let store = try_open(&folder, options).await.unwrap().unwrap();
    assert_eq!(all(&store).await.len(), 2);
}

#[tokio::test]
async fn the_lock_of_the_broker_is_taken_while_the_file_is_read() {
    let folder = Folder::with(SINGLE, &format!("{{{GENERIC}}}"));
    folder.write(&format!(".{SINGLE}.lock"), "");
    let theirs = std::fs::File::open(folder.path(&format!(".{SINGLE}.lock"))).unwrap();
    // Readers share it, and it is given back.
    fs2::FileExt::lock_shared(&theirs).unwrap();
    assert_eq!(all(&open(&folder).await).await.len(), 4);
    fs2::FileExt::unlock(&theirs).unwrap();
    fs2::FileExt::try_lock_exclusive(&theirs).unwrap();
}
