//! A program that is not written for it goes on while its store moves away and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use repo_core::strategy::{LiveId, OpenOptions, StorageStrategy};
use repo_core::{CollectionSchema, Result, Schemas};
use repo_engine::{Chosen, registry};
use repo_migrate::Silent;
use repo_migrate::live::{self, LiveOptions, LivePhase, LivePlace, LiveStores, SwitchOptions};
use repo_testkit::{Process, servers};
use serde_json::json;
use tokio::task::JoinHandle;

/// The collections of its configuration.
fn schemas() -> Schemas {
    let of = |collection: &str, id: &str| {
        let text = json!({"x-repository": {"collection": collection, "idField": id}});
        CollectionSchema::parse(&text.to_string()).unwrap()
    };
    let all =
        [("machines", "machine_id"), ("requests", "request_id"), ("templates", "template_id")];
    all.map(|(collection, id)| of(collection, id)).into_iter().collect()
}

#[derive(Debug, Clone)]
struct Place(String);

#[async_trait]
impl LivePlace for Place {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Arc<dyn StorageStrategy>> {
        let options =
            OpenOptions::default().with_schemas(Arc::new(schemas())).with_works_for(works_for);
        Chosen::by_url(&registry(), &self.0)?.open(options).await
    }
}

struct Move {
    source: Place,
    target: Place,
}

impl Move {
    fn stores(&self) -> LiveStores<'_> {
        LiveStores { source: &self.source, target: &self.target }
    }

    async fn until_ready(&self, mover: &JoinHandle<Result<()>>) {
        for _ in 0..1_200 {
            assert!(!mover.is_finished(), "it ended by itself");
            if matches!(live::status(self.stores()).await, Ok(s) if s.phase == LivePhase::Ready) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never ready: {:?}", live::status(self.stores()).await);
    }

    /// Waits until the program writes to a store.
    async fn until_written(&self, place: &Place) {
        let store = place.open(None).await.unwrap();
        let before = store.head().await.unwrap();
        for _ in 0..1_000 {
            if store.head().await.unwrap() != before {
                return store.close().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the fleet has stopped writing to {}", place.0);
    }

    async fn run(&self) {
        let (source, target) = (self.source.clone(), self.target.clone());
        let mover = tokio::spawn(async move {
            let stores = LiveStores { source: &source, target: &target };
            live::start(stores, &schemas(), &LiveOptions::default(), &Silent).await
        });
        self.until_ready(&mover).await;
        let there = live::switch(self.stores(), SwitchOptions::default()).await.unwrap();
        assert_eq!((there.switched, there.epoch), (true, 1));
        self.until_written(&self.target).await;
        let back = live::back(self.stores(), SwitchOptions::default()).await.unwrap();
        assert_eq!((back.switched, back.epoch), (true, 2));
        self.until_written(&self.source).await;
        live::abort(self.stores()).await.unwrap();
        mover.await.unwrap().unwrap();
    }
}

/// Runs the fleet on the source of a move, and moves it there and back meanwhile.
async fn the_fleet_moves(moving: Move, storage: serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.json");
    let mut storage = storage;
    storage["routes"] = json!([moving.target.0]);
    std::fs::write(&file, json!({ "storage": storage }).to_string()).unwrap();
    let mut fleet = Command::new(env!("CARGO_BIN_EXE_fleet"));
    let mut fleet = Process::start(fleet.arg(&file).arg("300").stdout(Stdio::piped()));
    let mut said = BufReader::new(fleet.stdout());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "1000 machines are there\n");
    moving.run().await;
    assert!(fleet.ended().is_none(), "the fleet had ended before the store moved");
    let id = fleet.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut last = String::new();
    said.read_to_string(&mut last).unwrap();
    assert!(fleet.wait().success(), "{last}");
    assert!(last.contains("no machine lost, none twice"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_json_files_to_sqlite_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let [source, target] = ["data", "new.db"].map(|name| dir.path().join(name));
    let storage = json!({ "strategy": "json", "json_strategy": { "base_path": source } });
    let moving = Move {
        source: Place(format!("json:{}", source.display())),
        target: Place(format!("sqlite:{}", target.display())),
    };
    the_fleet_moves(moving, storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_to_postgresql_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("data.db");
    let schema = servers::unique_name();
    let storage = json!({ "strategy": "sqlite", "sql_strategy": { "name": source } });
    let moving = Move {
        source: Place(format!("sqlite:{}", source.display())),
        target: Place(format!("{}?schema={schema}", servers::postgres())),
    };
    the_fleet_moves(moving, storage).await;
    let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
    let psql = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &drop]).output();
    assert!(psql.unwrap().status.success());
}
