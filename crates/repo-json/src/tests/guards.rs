//! What two at work at the same time must not do to each other, and what a
//! changed configuration must not do to a store.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use repo_core::strategy::{StorageStrategy as _, StorageStrategyExt as _};
use repo_core::{CollectionSchema, ErrorKind, Filter};
use serde_json::json;

use super::{Fixture, all, document, key, name, save, schemas};
use crate::config::JsonSettings;
use crate::env::Env;
use crate::hooks::{Hooks, Step};
use crate::index::{Indexes, usable};
use crate::strategy::JsonStrategy;

#[test]
fn a_write_while_an_index_is_filled_is_in_it() {
    let declared = schemas();
    let schema = declared.iter().next().unwrap();
    let mut indexes = Indexes::new(schema);
    let unchanged = document("a", 2);
    indexes.replace("a", Some(&unchanged), Some(&document("a", 4)));
    indexes.complete = true;
    let usable = usable(schema, &Filter::parse(r#"{"status": "EVEN"}"#).unwrap());
    let (_, ids) = indexes.candidates(&usable).unwrap();
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn two_collections_never_share_a_split_file() {
    let split = |names| {
        Fixture::new(
            json!({ "storage_type": "split_files", "filenames": { "split_files": names } }),
        )
    };
    let declared = split(json!({ "machines": "requests.json" }));
    let error = declared.try_open(&declared.path(), false, Hooks::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("machines, requests"), "{error}");

    let prepared = split(json!({ "machines": "other.json" }));
    let other = CollectionSchema::undeclared(name("other"));
    let store = prepared.open();
    let error = store.prepare(std::slice::from_ref(&other)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "on making the store");
    store.close().await.unwrap();
    let store = prepared.prepared().await;
    save(&store, "machines", "a", 1).await;
    let error = store.prepare(&[other]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "on adding to the store");
    store.close().await.unwrap();
    assert_eq!(prepared.json("other.json")["a"]["n"], 1);
}

/// Hooks that note the steps.
fn noted() -> (Hooks, Arc<Mutex<Vec<Step>>>) {
    let steps: Arc<Mutex<Vec<Step>>> = Arc::default();
    let noting = Arc::clone(&steps);
    let at = move |step| {
        noting.lock().unwrap().push(step);
        Ok(())
    };
    (Hooks { at: Some(Arc::new(at)), ..Hooks::default() }, steps)
}

fn count(steps: &Mutex<Vec<Step>>, wanted: Step) -> usize {
    steps.lock().unwrap().iter().filter(|step| **step == wanted).count()
}

#[tokio::test]
async fn frames_of_another_writer_are_synced_before_they_are_seen() {
    let fixture = Fixture::single();
    let first = fixture.prepared().await;
    for (read_only, frames, expected) in
        [(false, false, 0), (true, false, 0), (false, true, 1), (true, true, 1)]
    {
        if frames {
            save(&first, "machines", "a", 1).await;
        }
        let (hooks, steps) = noted();
        let store = fixture.try_open(&fixture.path(), read_only, hooks).unwrap();
        assert_eq!(count(&steps, Step::SyncFound), expected, "{read_only} {frames}");
        drop(store);
    }
    let at = |step| match step {
        Step::SyncFound => Err(io::Error::other("no disk")),
        _ => Ok(()),
    };
    let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
    let error = fixture.try_open(&fixture.path(), true, hooks).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn names_given_by_another_writer_are_synced_before_the_first_frame() {
    let fixture = Fixture::single();
    let first = fixture.prepared().await;
    let (hooks, steps) = noted();
    let second = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    save(&first, "machines", "a", 1).await;
    first.checkpoint().await.unwrap();
    steps.lock().unwrap().clear();
    save(&second, "machines", "b", 1).await;
    save(&second, "machines", "c", 1).await;
    let steps = steps.lock().unwrap().clone();
    let frame = [Step::AppendFrame, Step::SyncFrame];
    assert_eq!(steps, [&[Step::SyncNames], &frame[..], &frame[..]].concat());
}

#[tokio::test]
async fn a_removed_lock_file_parts_nobody() {
    let fixture = Fixture::single();
    let first = fixture.prepared().await;
    let reader = fixture.open_read_only();
    save(&first, "machines", "a", 1).await;
    fs::remove_file(fixture.file(".lock")).unwrap();
    assert_eq!(all(&reader).await.len(), 1);
    let second = fixture.open();
    save(&second, "machines", "b", 1).await;
    let lock = fs::File::open(fixture.file(".lock")).unwrap();
    fs2::FileExt::lock_exclusive(&lock).unwrap();
    let mut waiting = std::pin::pin!(first.save(key("machines", "c"), document("c", 1)));
    assert!(futures::poll!(&mut waiting).is_pending());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), &mut waiting).await;
    assert!(waited.is_err(), "it waits for the lock that others take");
    drop(lock);
    waiting.await.unwrap();
    assert_eq!(all(&second).await.len(), 3);
    assert_eq!(all(&reader).await, all(&first).await);
}

#[tokio::test]
#[allow(clippy::await_holding_lock)] // that is what is tested
async fn a_commit_does_not_hold_up_the_runtime_while_the_state_changes() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    let inner = store.store();
    let changing = inner.state_mut();
    let mut commit = std::pin::pin!(store.save(key("machines", "a"), document("a", 1)));
    // This thread would wait for itself.
    assert!(futures::poll!(&mut commit).is_pending());
    drop(changing);
    commit.await.unwrap();
}

#[tokio::test]
async fn a_writer_that_panics_stops_the_handle_and_no_other() {
    let fixture = Fixture::single();
    let other = fixture.prepared().await;
    let at = |step| match step {
        Step::AppendFrame => panic!("as a defect would"),
        _ => Ok(()),
    };
    let hooks = Hooks { at: Some(Arc::new(at)), ..Hooks::default() };
    let store = fixture.try_open(&fixture.path(), false, hooks).unwrap();
    let error = store.save(key("machines", "a"), document("a", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    save(&other, "machines", "b", 1).await;
    // The thread ends after its answer is gone.
    let inner = store.store();
    while inner.poisoned().is_none() {
        std::thread::yield_now();
    }
    let error = store.save(key("machines", "a"), document("a", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("stopped"), "{error}");
    let stale = store.collections().await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_thread_that_could_not_be_started_is_started_by_the_next_request() {
    let fixture = Fixture::single();
    fixture.prepared().await.close().await.unwrap();
    let store = fixture.open();
    assert_eq!(store.fail_to_start_writer().unwrap_err().kind(), ErrorKind::Unavailable);
    save(&store, "machines", "a", 1).await;
}

#[tokio::test]
async fn another_id_field_is_refused_while_documents_have_the_old_one() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    let serial = r#"{"x-repository": {"collection": "machines", "idField": "serial"}}"#;
    let serial = CollectionSchema::parse(serial).unwrap();
    let open = || {
        let schemas = Arc::new([serial.clone()].into_iter().collect());
        let options = fixture.options(false).with_schemas(schemas);
        let settings = JsonSettings::read(&fixture.settings(&fixture.path())).unwrap();
        JsonStrategy::open_here(Env::new(settings, options, Hooks::default()))
    };
    let early = open().expect("no document has the old one");
    save(&store, "machines", "a", 1).await;
    let told = |error: repo_core::Error| {
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let context: Vec<_> = error.context().iter().map(|(n, v)| format!("{n} {v}")).collect();
        assert!(context.contains(&"stored id".to_owned()), "{context:?}");
        assert!(context.contains(&"declared serial".to_owned()), "{context:?}");
    };
    told(store.prepare(std::slice::from_ref(&serial)).await.unwrap_err());
    told(open().unwrap_err());
    // A handle from before does not take it for damage.
    told(early.get_many(&name("machines"), &["a".parse().unwrap()]).await.unwrap_err());
    let other_index = r#"{"x-repository": {"collection": "machines", "idField": "id"}}"#;
    store.prepare(&[CollectionSchema::parse(other_index).unwrap()]).await.unwrap();
    told(open().unwrap_err());
    assert_eq!(all(&fixture.open()).await.len(), 1);
}
