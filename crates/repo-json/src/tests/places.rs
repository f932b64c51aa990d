//! What else may stand where a data file belongs: links, pipes, files of both
//! layouts. And a store that cannot write its checkpoint when it is closed.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use repo_core::ErrorKind;
use repo_core::strategy::StorageStrategy as _;
use serde_json::json;

use super::{Fixture, all, save, snapshot};
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

/// Moves a file away and puts a link to it in its place.
fn link_away(fixture: &Fixture, name: &str) {
    let real = fixture.folder.path().join(format!("real-{}", name.trim_start_matches('.')));
    fs::rename(fixture.file(name), &real).unwrap();
    symlink(real, fixture.file(name)).unwrap();
}

#[tokio::test]
async fn a_link_in_the_place_of_any_file_of_a_store_is_refused_and_stays() {
    for name in ["request_database.json", ".meta", ".journal", ".lock"] {
        let fixture = Fixture::single();
        let store = fixture.prepared().await;
        save(&store, "machines", "a", 1).await;
        store.close().await.unwrap();
        link_away(&fixture, name);
        let before = snapshot(&fixture.path());
        assert_eq!(all(&fixture.open_read_only()).await.len(), 1, "{name}");
        let error = fixture.try_open(&fixture.path(), false, Hooks::default()).unwrap_err();
        assert!(error.message().contains("link"), "{name}: {error}");
        assert!(error.context_value("path").unwrap().ends_with(name), "{error}");
        assert!(fixture.file(name).is_symlink(), "{name}");
        assert_eq!(snapshot(&fixture.path()), before, "{name}");
    }
}

#[tokio::test]
async fn a_link_that_comes_while_the_store_is_open_is_not_replaced() {
    for name in ["request_database.json", ".meta", ".journal"] {
        let fixture = Fixture::single();
        let store = fixture.prepared().await;
        save(&store, "machines", "a", 1).await;
        link_away(&fixture, name);
        let error = store.checkpoint().await.unwrap_err();
        assert!(error.message().contains("link"), "{name}: {error}");
        assert!(fixture.file(name).is_symlink(), "{name}");
        drop(store);
        fs::remove_file(fixture.file(name)).unwrap();
        let real = fixture.folder.path().join(format!("real-{}", name.trim_start_matches('.')));
        fs::rename(real, fixture.file(name)).unwrap();
        assert_eq!(all(&fixture.open()).await["machines/a"].0, 1, "{name}");
    }
}

#[tokio::test]
async fn what_a_link_beside_the_files_leads_to_is_not_written() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    fixture.write("victim", "precious");
    for name in [".request_database.json.new", ".meta.new", ".journal.new"] {
        symlink(fixture.file("victim"), fixture.file(name)).unwrap();
    }
    store.checkpoint().await.unwrap();
    assert_eq!(fixture.read("victim"), "precious");
    assert!(!fixture.file("request_database.json").is_symlink());
    assert_eq!(all(&store).await.len(), 1);
}

#[tokio::test]
async fn a_journal_with_two_names_is_refused() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    let other = fixture.folder.path().join("other");
    fs::hard_link(fixture.file(".journal"), &other).unwrap();
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(!health.is_ok(), "a handle that was open says so: {health:?}");
    drop(store);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint_text().unwrap().contains("mv "), "{error}");
    // As the hint says.
    fs::copy(fixture.file(".journal"), fixture.file("own")).unwrap();
    fs::rename(fixture.file("own"), fixture.file(".journal")).unwrap();
    assert_eq!(all(&fixture.open()).await["machines/a"].0, 1);
}

#[tokio::test]
async fn another_name_of_a_file_that_is_replaced_keeps_what_it_had() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    for name in ["request_database.json", ".meta", ".lock"] {
        fs::hard_link(fixture.file(name), fixture.folder.path().join(name)).unwrap();
    }
    let before = fs::read(fixture.file("request_database.json")).unwrap();
    let store = fixture.open();
    save(&store, "machines", "b", 1).await;
    store.close().await.unwrap();
    let other = fixture.folder.path().join("request_database.json");
    assert_eq!(fs::read(other).unwrap(), before);
    let store = fixture.open();
    assert!(store.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());
    assert_eq!(all(&store).await.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_rewritten_while_it_is_read_is_called_that() {
    use futures::TryStreamExt as _;
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    for id in ["a", "b", "c"] {
        save(&store, "machines", id, 1).await;
    }
    store.close().await.unwrap();
    let reader = fixture.open_read_only();
    let options =
        repo_core::strategy::ScanOptions::default().with_batch_size(std::num::NonZeroUsize::MIN);
    let mut scan = reader.scan(&super::name("machines"), options).await.unwrap();
    assert_eq!(scan.try_next().await.unwrap().unwrap().records.len(), 1);
    fixture.write("request_database.json", "{\"machines\":");
    let error = scan.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("rewrites the file"), "{error}");
}
