//! What else may stand where a data file belongs: links, pipes, files of both
//! layouts. And a store that cannot write its checkpoint when it is closed.

use std::io;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use repo_core::{ErrorKind, StorageStrategy as _};
use serde_json::json;

use super::{Fixture, all, save};
use crate::hooks::{Hooks, Step};

const ONE: &str = r#"{"a":{"id":"a","n":1}}"#;

#[tokio::test]
async fn a_link_that_leads_nowhere_is_no_empty_collection() {
    let fixture = Fixture::new(json!({ "storage_type": "detect" }));
    fixture.write("machines.json", ONE);
    symlink("/nowhere/at/all.json", fixture.file("requests.json")).unwrap();
    for read_only in [true, false] {
        let error = fixture.try_open(&fixture.path(), read_only, Hooks::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert!(error.context_value("path").unwrap().ends_with("requests.json"), "{error}");
    }
    assert!(fixture.file("requests.json").is_symlink());
    assert!(!fixture.file(".meta").exists());
}

#[tokio::test]
async fn a_linked_file_is_read_and_never_replaced() {
    let fixture = Fixture::split();
    fixture.write("elsewhere", ONE);
    symlink(fixture.file("elsewhere"), fixture.file("machines.json")).unwrap();
    assert_eq!(all(&fixture.open_read_only()).await.len(), 1);
    let error = fixture.try_open(&fixture.path(), false, Hooks::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert!(error.message().contains("link"), "{error}");
    assert!(fixture.file("machines.json").is_symlink());
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    for name in ["machines.json", ".meta", ".journal"] {
        let fixture = Fixture::split();
        fixture.write("requests.json", "{}");
        let pipe = fixture.file(name);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(fixture.refused().kind(), ErrorKind::Foreign, "{name}");
    }
}

#[tokio::test]
async fn a_folder_with_files_of_both_layouts_is_not_guessed_at() {
    let fixture = Fixture::new(json!({ "storage_type": "detect" }));
    fixture.write("request_database.json", r#"{"machines":{"a":{"id":"a"}}}"#);
    fixture.write("notes.json", "[\"somebody else's file\"]");
    assert_eq!(all(&fixture.open_read_only()).await.len(), 1);
    fixture.write("machines.json", r#"{"b":{"id":"b"}}"#);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.context_value("single file"), Some("request_database.json"));
    assert_eq!(error.context_value("split file"), Some("machines.json"));
}

#[tokio::test]
async fn what_was_acknowledged_stays_so_when_closing_cannot_write() {
    let fixture = Fixture::single();
    fixture.prepared().await.close().await.unwrap();
    let full = |step| match step {
        Step::FilesWritten => Err(io::Error::from(io::ErrorKind::StorageFull)),
        _ => Ok(()),
    };
    let hooks = Hooks { at: Some(Arc::new(full)), ..Hooks::default() };
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    save(&store, "machines", "a", 1).await;
    store.checkpoint().await.unwrap_err();
    store.close().await.unwrap();
    assert_eq!(all(&fixture.open()).await["machines/a"].0, 1);
}
