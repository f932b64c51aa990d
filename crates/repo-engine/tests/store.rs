//! What an embedder meets besides the first page: refusals, and transactions over
//! types.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};

use repo_engine::{
    CollectionSchema, Consistency, ErrorKind, FieldKind, Filter, ManualClock, Model, Repository,
    Result, Schemas, Store, SweepOptions, Timestamp, Tracked, field, sweep,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(collection = "machines", id = "machineId", index("status", "meta.zone"))]
#[model(reference("requestId", collection = "requests"))]
#[serde(rename_all = "camelCase")]
struct Machine {
    machine_id: String,
    request_id: Option<String>,
    status: String,
    #[serde(default)]
    meta: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(collection = "requests", id = "id", schema_version = 2)]
struct Request {
    id: String,
    machines: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(collection = "sessions", id = "id", ttl = "until")]
struct Session {
    id: String,
    until: Option<Timestamp>,
}

/// A model by hand, whose schema stands elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    id: String,
}

impl Model for Note {
    const COLLECTION: &'static str = "notes";

    fn id(&self) -> &str {
        &self.id
    }
}

fn machine(id: &str) -> Machine {
    Machine {
        machine_id: id.to_owned(),
        request_id: None,
        status: "new".to_owned(),
        meta: [("zone".to_owned(), "a".to_owned())].into(),
    }
}

fn request(machines: u32) -> Request {
    Request { id: "r".to_owned(), machines }
}

async fn open() -> Store {
    Store::open("memory:").model::<Machine>().model::<Request>().await.unwrap()
}

#[tokio::test]
async fn the_schema_is_that_of_the_type() {
    let schema = Machine::schema().unwrap().unwrap();
    assert_eq!(schema.id_name(), "machineId");
    assert_eq!(schema.indexes.len(), 1);
    assert_eq!(schema.indexes[0][1].to_string(), "meta.zone");
    assert_eq!(schema.references.len(), 1);
    assert_eq!(Request::schema().unwrap().unwrap().schema_version, 2);
    let store = open().await;
    let machines = store.repository::<Machine>().unwrap();
    machines.create(&machine("m-1")).await.unwrap();
    let found = machines.query(field("meta.zone").eq("a")).try_collect().await.unwrap();
    assert_eq!(found[0].value, machine("m-1"));
    assert_eq!(machines.count(&Filter::default(), Consistency::Strong).await.unwrap(), 1);
}

#[tokio::test]
async fn a_model_and_a_store_that_do_not_fit_are_refused() {
    let store = Store::open("memory:").model::<Request>().await.unwrap();
    let error = store.repository::<Machine>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("machines"), "{error}");

    let other = CollectionSchema::builder("machines", "uuid").build().unwrap();
    let store = Store::open("memory:").schemas([other].into_iter().collect()).await.unwrap();
    let error = store.repository::<Machine>().unwrap_err();
    assert!(error.to_string().contains("id field"), "{error}");

    let error = Store::open("memory:").model::<Note>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let error = Store::open("memory:").model::<Request>().model::<Request>().await.unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
    let notes = CollectionSchema::builder("notes", "id").build().unwrap();
    let schemas = Schemas::default().with::<Request>().unwrap();
    let both = schemas.iter().cloned().chain([notes]).collect();
    let store = Store::open("memory:").schemas(both).await.unwrap();
    store.repository::<Note>().unwrap().create(&Note { id: "n".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_model_may_have_a_time_to_live() {
    let now = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
    let store = Store::open("memory:").model::<Session>().clock(ManualClock::new(now));
    let store = store.await.unwrap();
    let sessions = store.repository::<Session>().unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    for (id, until) in
        [("over", Some(now)), ("later", Some(now.saturating_add(hour))), ("ever", None)]
    {
        sessions.create(&Session { id: id.to_owned(), until }).await.unwrap();
    }
    assert!(sessions.get("over").await.unwrap().is_none());
    assert!(sessions.get("later").await.unwrap().is_some());
    assert_eq!(sessions.count(&Filter::default(), Consistency::Strong).await.unwrap(), 2);
    let (clock, options) = (ManualClock::new(now), SweepOptions::default());
    let swept = sweep(&**store.strategy(), store.schemas(), &clock, &options).await.unwrap();
    assert_eq!((swept.len(), swept[0].removed), (1, 1));

    let plain = CollectionSchema::builder("sessions", "id").field("until", FieldKind::Text, true);
    let store = Store::open("memory:").schemas([plain.build().unwrap()].into_iter().collect());
    let error = store.await.unwrap().repository::<Session>().unwrap_err();
    assert!(error.to_string().contains("time to live"), "{error}");
}

#[tokio::test]
async fn a_url_of_no_kind_and_a_store_that_is_not_there_are_refused() {
    for url in ["", "mysql:x", "memory:x", "sqlite", "sqlit:x"] {
        let error = Store::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}: {error}");
        assert!(error.hint_text().is_some(), "{url}");
    }
    let dir = tempfile::tempdir().unwrap();
    for kind in ["json", "sqlite"] {
        let url = format!("{kind}:{}", dir.path().join("none").display());
        let error = Store::open(&url).model::<Request>().read_only().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{url}: {error}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_clock_of_the_callers_own_gives_the_times() {
    let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
    let clock = ManualClock::new(start);
    let store = Store::open("memory:").model::<Request>().clock(clock).await.unwrap();
    let requests = store.repository::<Request>().unwrap();
    requests.create(&request(1)).await.unwrap();
    assert_eq!(requests.get("r").await.unwrap().unwrap().created_at, start);
    store.close().await.unwrap();
    assert_eq!(requests.get("r").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_transaction_sees_what_it_wrote() {
    let store = open().await;
    let made = store
        .transaction(async |tx| {
            assert!(tx.find::<Machine>("m-1").await?.is_none());
            tx.create(&machine("m-1")).await?;
            let again = tx.create(&machine("m-1")).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::AlreadyExists);
            let read = tx.get::<Machine>("m-1").await?;
            assert_eq!(read.version(), None);
            tx.update(&read.clone().changed(|m| m.status = "up".to_owned())).await?;
            let moved = read.changed(|m| m.machine_id = "m-2".to_owned());
            assert_eq!(tx.update(&moved).await.unwrap_err().kind(), ErrorKind::Invalid);
            let many = tx.find_many::<Machine>(["none", "m-1"]).await?;
            assert!(many[0].is_none());
            tx.save(&request(1))?;
            Ok(many[1].clone())
        })
        .await
        .unwrap();
    assert_eq!(made.unwrap().value.status, "up");
    let machines = store.repository::<Machine>().unwrap();
    let stored = machines.get("m-1").await.unwrap().unwrap();
    assert_eq!((stored.value.status.as_str(), stored.version.get()), ("up", 1));
    let gone = store
        .transaction(async |tx| {
            let read = tx.get::<Machine>("m-1").await?;
            tx.delete(&read).await?;
            assert_eq!(tx.update(&read).await.unwrap_err().kind(), ErrorKind::NotFound);
            tx.get::<Machine>("m-1").await.map(|_| ())
        })
        .await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    // The error rolled back.
    assert!(machines.get("m-1").await.unwrap().is_some());
    store
        .transaction(async |tx| {
            tx.update_version(&machine("m-1"), stored.version).await?;
            tx.delete_by_id::<Request>("r")
        })
        .await
        .unwrap();
    assert!(store.repository::<Request>().unwrap().get("r").await.unwrap().is_none());
}

/// A value that an earlier run has read is never written over what came since.
#[tokio::test]
async fn a_value_of_an_earlier_run_is_a_conflict() {
    let store = open().await;
    let requests = store.repository::<Request>().unwrap();
    requests.create(&request(0)).await.unwrap();
    let runs = AtomicUsize::new(0);
    let mut kept: Option<Tracked<Request>> = None;
    let result = store
        .transaction(async |tx| {
            let first = runs.fetch_add(1, Ordering::Relaxed) == 0;
            let read = tx.get::<Request>("r").await?;
            if first {
                kept = Some(read);
                // Somebody else is quicker, so that all of this runs again.
                requests.save(&request(7)).await?;
            }
            let old = kept.clone().unwrap().changed(|request| request.machines += 1);
            tx.update(&old).await
        })
        .await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(requests.get("r").await.unwrap().unwrap().value.machines, 7);
}

/// Many tasks count in one value, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_in_tasks_lose_nothing() {
    let store = open().await;
    let requests = store.repository::<Request>().unwrap();
    requests.create(&request(0)).await.unwrap();
    let add = |store: Store| async move {
        for _ in 0..10 {
            add_one(&store).await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(add(store.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(requests.get("r").await.unwrap().unwrap().value.machines, 80);
}

async fn add_one(store: &Store) -> Result<()> {
    store
        .transaction(async move |tx| {
            let read = tx.get::<Request>("r").await?;
            tx.update(&read.changed(|request| request.machines += 1)).await
        })
        .await
}

/// A configuration names the store, its collections, limits and layers.
#[cfg(feature = "config")]
#[tokio::test]
async fn a_configuration_names_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("repository.json");
    let storage = serde_json::json!({
        "strategy": "json",
        "json_strategy": { "base_path": dir.path().join("data") },
        "limits": { "max_entity_bytes": 200 },
        "layers": [{ "layer": "retry" }, { "layer": "timeout", "read_ms": 60000 }],
    });
    std::fs::write(&file, serde_json::json!({ "storage": storage }).to_string()).unwrap();
    let store = Store::from_config(&file).model::<Request>().await.unwrap();
    let requests = store.repository::<Request>().unwrap();
    requests.create(&request(1)).await.unwrap();
    let long = Request { id: "x".repeat(201), machines: 1 };
    assert_eq!(requests.create(&long).await.unwrap_err().kind(), ErrorKind::Invalid);
    store.close().await.unwrap();
    assert!(dir.path().join("data").exists());

    // Without models the collections are those of the configuration.
    std::fs::write(&file, r#"{"storage": {"strategy": "memory"}}"#).unwrap();
    let store = Store::from_config(&file).await.unwrap();
    assert_eq!(store.schemas().iter().count(), 3);
    store.close().await.unwrap();
    let error = Store::from_config(dir.path().join("none.json")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}

/// A job, whose host has to be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(collection = "jobs", id = "id", index("host_id"))]
#[model(reference("host_id", collection = "hosts"), enforce_references)]
struct Job {
    id: String,
    host_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(collection = "hosts", id = "id")]
struct Host {
    id: String,
}

/// Opening the store makes what the layer needs, and puts it around; for reading it takes none.
#[tokio::test]
async fn references_are_enforced_where_a_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("json:{}", folder.path().join("data").display());
    let store = Store::open(&url).model::<Job>().model::<Host>().await.unwrap();
    let (jobs, hosts) = (store.repository::<Job>().unwrap(), store.repository::<Host>().unwrap());
    let job = Job { id: "j".to_owned(), host_id: "h".to_owned() };
    let error = jobs.create(&job).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.context_value("refers_to"), Some("hosts/h"));
    store
        .transaction(async |tx| {
            tx.create(&job).await?;
            tx.create(&Host { id: "h".to_owned() }).await
        })
        .await
        .unwrap();
    let host = "h".parse().unwrap();
    let error = hosts.delete_batch(std::slice::from_ref(&host)).await.unwrap_err();
    assert_eq!(error.context_value("id"), Some("j"));
    store.close().await.unwrap();
    let store = Store::open(&url).model::<Job>().model::<Host>().read_only().await.unwrap();
    assert!(store.repository::<Job>().unwrap().get("j").await.unwrap().is_some());
}

/// A store that was opened with a schema that enforces nothing is none for such a model.
#[tokio::test]
async fn a_schema_that_only_reports_is_another_one() {
    let reporting =
        CollectionSchema { enforce_references: false, ..Job::schema().unwrap().unwrap() };
    let schemas: Schemas = [reporting].into_iter().collect();
    let store = Store::open("memory:").schemas(schemas).await.unwrap();
    let error = store.repository::<Job>().unwrap_err();
    assert_eq!(error.context_value("in"), Some("whether references are enforced"));
}

/// A locked read alone is checked when the transaction ends, a plain one is not.
#[tokio::test]
async fn a_locked_read_is_checked() {
    let store = open().await;
    let machines = store.repository::<Machine>().unwrap();
    machines.create(&machine("m")).await.unwrap();
    let runs = AtomicUsize::new(0);
    let status = store
        .transaction(async |tx| {
            let found = tx.find_locked::<Machine>("m").await?.map(|m| m.value.status);
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                let stopped = Machine { status: "stopped".to_owned(), ..machine("m") };
                machines.save(&stopped).await?;
            }
            Ok(found)
        })
        .await
        .unwrap();
    assert_eq!((status.as_deref(), runs.into_inner()), (Some("stopped"), 2));
}
