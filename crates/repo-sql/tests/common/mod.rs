//! What the tests share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, StorageStrategy, StrategyFactory as _};
use repo_core::{CollectionName, CollectionSchema, Document, EntityId, Error, Key, Query};
use repo_sql::SqliteFactory;
use rusqlite::Connection;
use serde_json::json;

pub(crate) type Store = Arc<dyn StorageStrategy>;

pub(crate) const MACHINES: &str = r#"{
    "type": "object",
    "x-repository": {
        "collection": "machines", "idField": "machine_id",
        "indexes": [["status"], ["template_id", "created_at"], ["meta.zone"], ["price"]]
    },
    "properties": {
        "machine_id": {"type": "string"}, "status": {"type": "string"},
        "template_id": {"type": ["string", "null"]}, "created_at": {"type": "string"},
        "vcpus": {"type": "integer"}, "price": {"type": "number"}, "spot": {"type": "boolean"},
        "tags": {"type": "object"}, "disks": {"type": "array"},
        "launch_time": {"type": ["string", "integer"]}, "note": {"type": "string"}
    }
}"#;

pub(crate) fn machines() -> CollectionSchema {
    CollectionSchema::parse(MACHINES).unwrap()
}

pub(crate) fn collection(name: &str) -> CollectionName {
    CollectionName::new(name).unwrap()
}

pub(crate) fn key(id: &str) -> Key {
    Key::new(collection("machines"), EntityId::new(id).unwrap())
}

/// A machine with these further members.
pub(crate) fn machine(id: &str, members: &str) -> Document {
    let comma = if members.is_empty() { "" } else { "," };
    Document::parse(&format!(r#"{{"machine_id":"{id}"{comma}{members}}}"#)).unwrap()
}

pub(crate) fn options(schemas: &[CollectionSchema]) -> OpenOptions {
    OpenOptions::default().with_schemas(Arc::new(schemas.iter().cloned().collect()))
}

pub(crate) async fn try_open(file: &Path, options: OpenOptions) -> Result<Store, Error> {
    SqliteFactory.open(&json!({ "name": file.to_str().unwrap(), "timeout": 20 }), options).await
}

/// Opens for reading and writing with the machines declared.
pub(crate) async fn open(file: &Path) -> Store {
    try_open(file, options(&[machines()])).await.unwrap()
}

pub(crate) async fn prepared(file: &Path) -> Store {
    let store = open(file).await;
    store.prepare(&[machines()]).await.unwrap();
    store
}

pub(crate) async fn read_only(file: &Path) -> Result<Store, Error> {
    try_open(file, options(&[machines()]).with_read_only(true)).await
}

/// As any other tool sees the file: nothing of ours is registered.
pub(crate) fn tool(file: &Path) -> Connection {
    Connection::open(file).unwrap()
}

/// The steps of a query plan as one line.
pub(crate) fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

pub(crate) async fn ids(store: &Store, query: &Query) -> Vec<String> {
    let page = store.query(&collection("machines"), query).await.unwrap();
    page.entities.iter().map(|entity| entity.id.to_string()).collect()
}

/// The store's own record as the version before layout 3 made it.
pub(crate) const LAYOUT_2: &str = r#"
DROP TABLE "_repo_changes";
DROP TABLE "_repo_items";
DROP TABLE "_repo_attributions";
ALTER TABLE "_repo_store" DROP COLUMN "capture";
ALTER TABLE "_repo_store" DROP COLUMN "history";
ALTER TABLE "_repo_store" DROP COLUMN "trimmed";
UPDATE "_repo_store" SET "layout_version" = 2;"#;

/// The store's own record as the version before layout 2 made it.
pub(crate) const LAYOUT_1: &str = r#"
DROP TABLE "_repo_changes";
DROP TABLE "_repo_items";
DROP TABLE "_repo_attributions";
DROP TABLE "_repo_store";
CREATE TABLE "_repo_store" (
  "one" INTEGER PRIMARY KEY NOT NULL CHECK ("one" = 1),
  "layout_version" INTEGER NOT NULL,
  "epoch" INTEGER NOT NULL,
  "migration_plan" TEXT,
  "migration_progress" TEXT
);
INSERT INTO "_repo_store" ("one", "layout_version", "epoch") VALUES (1, 1, 0);"#;
