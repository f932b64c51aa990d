//! What is read, in the ways of the contract.

use std::num::NonZeroUsize;

use repo_core::strategy::{ScanOptions, Segment, StorageStrategyExt as _};
use repo_core::{Consistency, Filter, HealthDepth, Plan, Query, Timestamp};

use crate::support::{Folder, documents, id, name, reading, schema, things, try_scan};

const COUNT: usize = 2_345;

/// Many entities in a list, of very different lengths.
fn many() -> String {
    let entities: Vec<String> = (0..COUNT)
        .map(|n| {
            let text = "é".repeat(n % 97);
            format!("  {{ \"id\": \"t-{n:04}\",\n \"n\": {n}, \"text\": \"{text}\" }}")
        })
        .collect();
    format!("{{\"before\": [{{}}], \"things\": [{}], \"after\": {{\"a\": 1}}}}", entities.join(","))
}

fn list() -> repo_core::Schemas {
    things(r#"{"file":"state.json","pointer":"/things/*"}"#)
}

#[tokio::test]
async fn every_entity_is_read_once_whatever_the_batch() {
    let folder = Folder::with("state.json", &many());
    let store = folder.open(list()).await;
    for size in [1, 7, 1_000, 5_000] {
        let options = ScanOptions::default().with_batch_size(NonZeroUsize::new(size).unwrap());
        let records = try_scan(&store, "things", options).await.unwrap();
        assert_eq!(records.len(), COUNT, "{size}");
        for (n, record) in records.iter().enumerate() {
            assert_eq!(record.id().as_str(), format!("t-{n:04}"));
            assert_eq!(record.version().get(), 1);
        }
    }
    let found = documents(&store, "things").await;
    assert_eq!(found["t-0003"], r#"{"id":"t-0003","n":3,"text":"ééé"}"#);
}

#[tokio::test]
async fn segments_are_disjoint_and_complete() {
    let folder = Folder::with("state.json", &many());
    let store = folder.open(list()).await;
    for total in [1, 2, 5, 64] {
        let mut ids = Vec::new();
        for segment in Segment::split(NonZeroUsize::new(total).unwrap()) {
            let options = ScanOptions::default().with_segment(segment);
            let records = try_scan(&store, "things", options).await.unwrap();
            ids.extend(records.iter().map(|record| record.id().to_string()));
        }
        let expected: Vec<String> = (0..COUNT).map(|n| format!("t-{n:04}")).collect();
        assert_eq!(ids, expected, "{total}");
    }
}

#[tokio::test]
async fn queries_filter_order_and_page() {
    let folder = Folder::with("state.json", &many());
    let store = folder.open(list()).await;
    let filter = Filter::parse(r#"{"n": {"$lt": 30}}"#).unwrap();
    let things = name("things");
    assert_eq!(store.count(&things, &filter, Consistency::Strong).await.unwrap(), 30);
    let all = store.count(&things, &Filter::default(), Consistency::Eventual).await.unwrap();
    assert_eq!(all, COUNT as u64);
    for order in [None, Some("n:desc")] {
        let mut query = Query::new(filter.clone()).limit(7).unwrap();
        if order.is_some() {
            query = query.order_by("n").unwrap();
        }
        let (mut found, mut next) = (Vec::new(), query.clone());
        loop {
            let page = store.query(&things, &next).await.unwrap();
            assert_eq!(page.plan, Plan::Scan);
            found.extend(page.entities.iter().map(|entity| entity.id.to_string()));
            match page.next {
                Some(cursor) => next = query.clone().after(cursor),
                None => break,
            }
        }
        let expected: Vec<String> = (0..30).map(|n| format!("t-{n:04}")).collect();
        assert_eq!(found, expected, "{order:?}");
    }
}

#[tokio::test]
async fn entities_are_found_by_id_in_any_order() {
    let folder = Folder::with("state.json", &many());
    let store = folder.open(list()).await;
    let ids = ["t-2344", "none", "t-0000", "t-2344"].map(id);
    let found = store.get_many(&name("things"), &ids).await.unwrap();
    let found: Vec<Option<&str>> =
        found.iter().map(|record| record.as_ref().map(|record| record.id().as_str())).collect();
    assert_eq!(found, [Some("t-2344"), None, Some("t-0000"), Some("t-2344")]);
    assert!(store.get(&name("things"), &id("t-0001")).await.unwrap().is_some());
}

#[tokio::test]
async fn requests_and_the_machines_in_them_are_two_collections() {
    let state = r#"{"requests": [
        {"requestId": "r-1", "templateId": "t", "time": 1732150000123, "machines": [
            {"machineId": "m-1", "requestId": "r-1", "launchtime": 1.50, "status": "running"},
            {"machineId": "m-2", "name": "host"}]},
        {"requestId": "r-2", "machines": []},
        {"requestId": "r-3"}]}"#;
    let folder = Folder::with("aws-db.json", state);
    folder.write("aws-db.json.prev", "not JSON");
    folder.write(".aws-db.json", "not JSON");
    let requests = schema(
        "requests",
        "request_id",
        r#"{"file":"*-db.json","pointer":"/requests/*","idField":"requestId",
            "rename":{"templateId":"template_id"},
            "children":{"machines":{"pointer":"machines/*","idField":"machineId",
                "copy":{"requestId":"request_id"},"rename":{"requestId":"request_id"}}}}"#,
    );
    let schemas = repo_core::Schemas::from_iter([requests, schema("machines", "machine_id", "")]);
    let store = folder.open(schemas.clone()).await;
    let found = documents(&store, "requests").await;
    assert_eq!(found["r-1"], r#"{"request_id":"r-1","template_id":"t","time":1732150000123}"#);
    assert_eq!(found.len(), 3);
    let found = documents(&store, "machines").await;
    assert_eq!(
        found.into_values().collect::<Vec<_>>(),
        [
            r#"{"launchtime":1.5,"machine_id":"m-1","request_id":"r-1","status":"running"}"#,
            r#"{"machine_id":"m-2","name":"host","request_id":"r-1"}"#,
        ]
    );
    let words = store.foreign().unwrap();
    let expected = "files of another program, read as version 1: machines (aws-db.json), requests \
                    (aws-db.json)";
    assert_eq!(words, expected);

    // What is not selected is not read.
    let only = std::collections::BTreeSet::from([name("machines")]);
    let options = reading(schemas).with_only(Some(std::sync::Arc::new(only)));
    let store = folder.try_open(options).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), [name("machines")]);
    assert_eq!(documents(&store, "machines").await.len(), 2);
}

#[tokio::test]
async fn keys_are_ids_in_several_files_and_folders() {
    let folder = Folder::with("state/a.json", r#"{"k\"1": {"n": 1}, "k2": {"n": 2}}"#);
    folder.write("state/b.json", r#"{"é": "host"}"#);
    folder.write("state/c.txt", "no");
    let schemas =
        things(r#"{"file":"state/*.json","pointer":"/*","idFromKey":true,"valueField":"name"}"#);
    let store = folder.open(schemas).await;
    let found = documents(&store, "things").await;
    assert_eq!(
        found.into_values().collect::<Vec<_>>(),
        [r#"{"id":"k\"1","n":1}"#, r#"{"id":"k2","n":2}"#, r#"{"id":"é","name":"host"}"#]
    );
    assert!(store.foreign().unwrap().contains("things (state/a.json, state/b.json)"));
    let get = store.get(&name("things"), &id("é")).await.unwrap().unwrap();
    assert_eq!(get.document.to_string(), r#"{"id":"é","name":"host"}"#);
}

#[tokio::test]
async fn what_it_is_is_told() {
    let folder = Folder::with("state.json", r#"{"things": []}"#);
    let store = folder.open(list()).await;
    assert_eq!(store.collections().await.unwrap(), [name("things")]);
    assert!(store.invents_versions().await.unwrap());
    let capabilities = store.capabilities();
    assert!(capabilities.read_only && capabilities.parallel_scan);
    let record = store.store_record().await.unwrap();
    let versions: Vec<u32> = record.collections.values().map(|c| c.schema_version).collect();
    assert_eq!((record.layout_version, versions), (0, vec![2]));
    let health = store.health(&HealthDepth::Quick).await.unwrap();
    assert!(health.is_ok() && health.checks[0].detail == store.foreign().unwrap(), "{health:?}");
    let marks = (store.state_mark().await.unwrap(), store.state_mark().await.unwrap());
    assert!(marks.0.is_some() && marks.0 == marks.1);
    assert!(documents(&store, "things").await.is_empty());
    // Two names of one folder are one place.
    let again = Folder::with("state.json", r#"{"things": []}"#).open(list()).await;
    assert_ne!(store.location(), again.location());
    let (ours, theirs) =
        (store.physical_identity().await.unwrap(), again.physical_identity().await.unwrap());
    assert_eq!(ours.unwrap().compare(&theirs.unwrap()), repo_core::strategy::Sameness::Different);
}

#[tokio::test]
async fn the_times_are_those_of_the_file() {
    let folder = Folder::with("state.json", r#"{"things": [{"id": "a"}]}"#);
    let modified = std::fs::metadata(folder.path("state.json")).unwrap().modified().unwrap();
    let store = folder.open(list()).await;
    let entity = store.get(&name("things"), &id("a")).await.unwrap().unwrap();
    assert_eq!(entity.created_at, Timestamp::from(modified));
    assert_eq!(entity.updated_at, entity.created_at);
}
