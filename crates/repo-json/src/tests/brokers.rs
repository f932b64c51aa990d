//! Files that a broker writes: its lock, its copies, and a section that collections share.

use std::fs;
use std::sync::mpsc::channel;

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategy as _;
use serde_json::json;

use super::{Fixture, all};
use crate::hooks::Hooks;

const SINGLE: &str = "request_database.json";
const SHARED: &str = r#"{"machines": {"a": {"id": "a"}}, "generic": {"b": {"machine_id": "b"}}}"#;

#[tokio::test]
async fn a_section_that_collections_share_is_refused_by_name() {
    let fixture = Fixture::single();
    fixture.write(SINGLE, SHARED);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(error.context_value("section"), Some("generic"));
    assert_eq!(error.context_value("byte"), Some("45"), "{error}");
    assert!(error.hint_text().unwrap().contains("source of a migration"));
    // What is not selected is not passed over either: there may be machines in it.
    let only = std::collections::BTreeSet::from([super::name("machines")]);
    let options = fixture.options(true).with_only(Some(std::sync::Arc::new(only)));
    let settings = crate::JsonSettings::read(&fixture.settings(&fixture.path())).unwrap();
    let env = crate::env::Env::new(settings, options, Hooks::default());
    let error = crate::JsonStrategy::open_here(env).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(fixture.read(SINGLE), SHARED);
}

#[tokio::test]
async fn a_collection_may_be_called_like_that_section() {
    for text in [
        r#"{"generic": {"a": {"id": "a"}, "b": {"id": "b"}}}"#,
        r#"{"generic": {}, "machines": {"a": {"id": "a"}, "b": {"id": "b"}}}"#,
    ] {
        let fixture = Fixture::single();
        fixture.write(SINGLE, text);
        assert_eq!(all(&fixture.open_read_only()).await.len(), 2, "{text}");
    }
    let fixture = Fixture::single();
    fixture.write(SINGLE, r#"{"generic": {"a": {"id": "a"}, "b": {}}}"#);
    assert_eq!(fixture.refused().kind(), ErrorKind::Invalid);
    fixture.write(SINGLE, r#"{"generic": {"a": {"id": tru}}}"#);
    assert_eq!(fixture.refused().kind(), ErrorKind::Corrupt);
}

/// The broker holds its lock while it rewrites the file: what it writes is seen.
#[tokio::test]
async fn the_lock_of_a_broker_is_waited_for() {
    for (fixture, name) in [(Fixture::single(), SINGLE), (Fixture::split(), "machines.json")] {
        let file = |id: &str| json!({"machines": {id: {"id": id}}}).to_string();
        fixture.write(name, &file("before"));
        fixture.write(&format!(".{name}.lock"), "");
        let theirs = fs::File::open(fixture.file(&format!(".{name}.lock"))).unwrap();
        fs2::FileExt::lock_exclusive(&theirs).unwrap();
        let (started, wait) = channel();
        let found = std::thread::scope(|scope| {
            let opening = scope.spawn(|| {
                started.send(()).unwrap();
                fixture.open_read_only()
            });
            wait.recv().unwrap();
            fixture.write(".new", &file("after"));
            fs::rename(fixture.file(".new"), fixture.file(name)).unwrap();
            fs2::FileExt::unlock(&theirs).unwrap();
            opening.join().unwrap()
        });
        let keys: Vec<String> = all(&found).await.into_keys().collect();
        assert_eq!(keys, ["machines/after"], "{name}");
        // It is given back.
        fs2::FileExt::try_lock_exclusive(&theirs).unwrap();
    }
}

#[tokio::test]
async fn copies_and_locks_of_a_broker_are_no_collections() {
    let fixture = Fixture::split();
    fixture.write("machines.json", r#"{"machines": {"a": {"id": "a"}}}"#);
    fixture.write(".machines.json.lock", "");
    fs::create_dir(fixture.file("backups")).unwrap();
    let copy = "backups/machines.backup_20261128_170840.json";
    fixture.write(copy, r#"{"machines": {"old": {"id": "old"}}}"#);
    let store = fixture.open_read_only();
    let names = store.collections().await.unwrap();
    assert_eq!(names, [super::name("machines")]);
    assert_eq!(all(&store).await.into_keys().collect::<Vec<_>>(), ["machines/a"]);
}
