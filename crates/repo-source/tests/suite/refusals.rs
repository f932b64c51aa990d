//! What is refused, and how.

use futures_util::StreamExt as _;
use repo_core::strategy::{
    OnUnreadable, OpenOptions, Record, ScanOptions, StorageStrategyExt as _, StoreUpdate,
};
use repo_core::{Document, ErrorKind, Filter, Key, Query, Timestamp};

use crate::support::{Folder, documents, id, name, reading, things, try_scan};

const LIST: &str = r#"{"file":"state.json","pointer":"/things/*"}"#;

#[tokio::test]
async fn a_malformed_file_is_refused_with_its_place() {
    use ErrorKind::{Corrupt, Invalid};

    for (text, kind, line, pointer) in [
        ("{\"things\": [\n {\"id\": \"a\"},\n {\"id\": tru}]}", Corrupt, Some("3"), "/things/1/id"),
        ("{\"things\": [\n {\"id\": \"a\"", Corrupt, Some("2"), "/things/0"),
        ("{\"things\": [\n {\"id\": \"a\"}", Corrupt, Some("2"), ""),
        ("", Corrupt, Some("1"), ""),
        ("{\"things\": [{\"id\": \"a\", \"n\": 1e999}]}", Invalid, None, "/things/0/n"),
        ("{\"things\": [{\"n\": 1}]}", Invalid, None, "/things/0/id"),
        ("{\"things\": 7}", Invalid, None, "/things"),
        ("{\"other\": []}", Invalid, None, "/things"),
        ("[]", Invalid, None, ""),
    ] {
        let folder = Folder::with("state.json", text);
        let error = folder.refused(things(LIST)).await;
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.context_value("file").unwrap().ends_with("state.json"), "{error}");
        assert!(error.context_value("byte").is_some(), "{error}");
        assert_eq!(error.context_value("line"), line, "{text}: {error}");
        assert_eq!(error.context_value("pointer").unwrap_or_default(), pointer, "{text}: {error}");
        assert_eq!(std::fs::read_to_string(folder.path("state.json")).unwrap(), text);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let folder = Folder::new();
    let error = folder.refused(things(LIST)).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(error.context_value("looked_for"), Some("state.json"));
    let optional = r#"[{"file":"a.json","pointer":"/*","optional":true},
                       {"file":"b-*.json","pointer":"/*","optional":true}]"#;
    let error = folder.refused(things(optional)).await;
    assert_eq!(error.context_value("looked_for"), Some("a.json, b-*.json"), "{error}");
    folder.write("b-1.json", "[]");
    assert!(documents(&folder.open(things(optional)).await, "things").await.is_empty());
    let error = folder.refused(things("")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.hint_text().unwrap().contains("preset"), "{error:?}");
}

#[tokio::test]
async fn no_write_is_taken() {
    let folder = Folder::with("state.json", r#"{"things": [{"id": "a"}]}"#);
    let options = reading(things(LIST));
    let error = folder.try_open(options.clone().with_read_only(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(error.hint_text().unwrap().contains("source of a migration"), "{error:?}");
    let target = folder.try_open(options.with_foreign(false)).await.unwrap_err();
    assert_eq!(target.to_string(), error.to_string());
    let store = folder.open(things(LIST)).await;
    let key = Key::new(name("things"), id("a"));
    let document = Document::parse(r#"{"id":"a"}"#).unwrap();
    let now = Timestamp::from_micros(0).unwrap();
    let floor = StoreUpdate::RaiseFloor { collection: key.collection.clone(), floor: 1 };
    for error in [
        store.prepare(&[]).await.map(drop).unwrap_err(),
        store.check_prepare(&[]).await.unwrap_err(),
        store.save(key.clone(), document).await.map(drop).unwrap_err(),
        store.apply(Vec::<Record>::new()).await.map(drop).unwrap_err(),
        store.purge(&key.collection, now).await.map(drop).unwrap_err(),
        store.update_store_record(floor).await.map(drop).unwrap_err(),
        store.checkpoint().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.context_value("store").is_some(), "{error}");
    }
    let files: Vec<_> = std::fs::read_dir(folder.path("")).unwrap().collect();
    assert_eq!(files.len(), 1);
}

#[tokio::test]
async fn an_unknown_collection_and_a_closed_store_say_so() {
    let folder = Folder::with("state.json", r#"{"things": [{"id": "a"}]}"#);
    let store = folder.open(things(LIST)).await;
    let other = name("thing");
    for error in [
        store.get_many(&other, &[id("a")]).await.map(drop).unwrap_err(),
        store.query(&other, &Query::all()).await.map(drop).unwrap_err(),
        store.count(&other, &Filter::default(), Default::default()).await.map(drop).unwrap_err(),
        store.scan(&other, Default::default()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.hint_text().unwrap().contains("`things`"), "{error:?}");
    }
    let mut scan = store.scan(&name("things"), Default::default()).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    for error in [
        scan.next().await.unwrap().map(drop).unwrap_err(),
        store.collections().await.map(drop).unwrap_err(),
        store.get_many(&name("things"), &[id("a")]).await.map(drop).unwrap_err(),
        store.state_mark().await.map(drop).unwrap_err(),
        store.commit(Vec::new()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_rewritten_is_not_read_on() {
    let folder = Folder::with("state.json", r#"{"things": [{"id": "a"}]}"#);
    let store = folder.open(things(LIST)).await;
    folder.write(".new", r#"{"things": [{"id": "a"}, {"id": "b"}]}"#);
    std::fs::rename(folder.path(".new"), folder.path("state.json")).unwrap();
    let things_name = name("things");
    for error in [
        try_scan(&store, "things", ScanOptions::default()).await.map(drop).unwrap_err(),
        store.get_many(&things_name, &[id("a")]).await.map(drop).unwrap_err(),
        store
            .count(&things_name, &Filter::default(), Default::default())
            .await
            .map(drop)
            .unwrap_err(),
        store.state_mark().await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.context_value("file").unwrap().ends_with("state.json"), "{error}");
    }
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    assert!(!health.is_ok());
    assert_eq!(documents(&folder.open(things(LIST)).await, "things").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_set_aside() {
    let text = r#"{"things": [{"id": "a"}, {"n": 1}, {"id": "b", "x": {"y": 1, "y": 2}},
                              {"id": "c"}]}"#;
    let folder = Folder::with("state.json", text);
    for unreadable in [OnUnreadable::SetAside, OnUnreadable::NameAll] {
        let options: OpenOptions = reading(things(LIST)).with_unreadable(unreadable);
        let store = folder.try_open(options).await.unwrap();
        let mut scan = store.scan(&name("things"), ScanOptions::default()).await.unwrap();
        let (mut read, mut aside) = (Vec::new(), Vec::new());
        while let Some(batch) = scan.next().await {
            let batch = batch.unwrap();
            read.extend(batch.records.iter().map(|record| record.id().to_string()));
            aside.extend(batch.unreadable);
        }
        assert_eq!(read, ["a", "c"]);
        assert_eq!(aside.len(), 2);
        assert_eq!(aside[0].id, "/things/1");
        assert_eq!(aside[0].stored.as_deref(), Some(&br#"{"n": 1}"#[..]));
        assert_eq!(aside[0].error.context_value("pointer"), Some("/things/1/id"));
        // The id can be made out, whatever else is wrong.
        assert_eq!(aside[1].id, "b");
        assert_eq!(aside[1].error.context_value("key"), Some("b"));
        assert_eq!(aside[1].error.context_value("pointer"), Some("/things/2/x/y"));
        let error = store.get_many(&name("things"), &[id("b")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    let error = folder.refused(things(LIST)).await;
    assert_eq!(error.context_value("pointer"), Some("/things/1/id"), "{error}");
}
