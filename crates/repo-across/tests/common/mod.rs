//! Where the stores of the tests are, and the commit that they are tested with.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod scene;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use repo_across::{Across, Hooks, Step};
use repo_core::strategy::{OpenOptions, StorageStrategy, StorageStrategyExt as _};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, FieldPath, Key, MemoryStrategy,
    Precondition, Version, Write,
};
use repo_dynamo::{DynamoSettings, DynamoStrategy};
use repo_engine::{Chosen, registry};
use repo_testkit::servers;
use tempfile::TempDir;

pub(crate) type Store = Arc<dyn StorageStrategy>;

/// A place of one store. What is in it is removed on drop.
pub(crate) struct Site {
    pub(crate) url: String,
    _folder: TempDir,
    _schema: Option<Schema>,
}

/// A schema on the PostgreSQL server.
struct Schema(String);

impl Drop for Schema {
    fn drop(&mut self) {
        // A connection that still ends may hold locks for a moment. What cannot be removed
        // stays, and disturbs nobody.
        let sql = format!("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.0);
        let _ = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", &sql]).output();
    }
}

impl Site {
    fn at(url: impl FnOnce(&TempDir) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        Self { url: url(&folder), _folder: folder, _schema: None }
    }

    pub(crate) fn memory() -> Self {
        Self::at(|_| "memory:".to_owned())
    }

    pub(crate) fn json_files() -> Self {
        Self::at(|folder| format!("json:{}", folder.path().join("data").display()))
    }

    pub(crate) fn sqlite() -> Self {
        Self::at(|folder| format!("sqlite:{}", folder.path().join("store.db").display()))
    }

    pub(crate) fn postgresql() -> Self {
        let schema = servers::unique_name();
        let site = Self::at(|_| format!("{}?schema={schema}", servers::postgres()));
        Self { _schema: Some(Schema(schema)), ..site }
    }

    pub(crate) fn dynamodb() -> Self {
        Self::at(|_| format!("dynamodb:{}", servers::unique_name()))
    }

    /// The access key of this process; none but DynamoDB needs one.
    pub(crate) fn access_key(&self) -> &'static str {
        if self.url.starts_with("dynamodb:") { servers::access_key() } else { "" }
    }

    /// Opens the store, and makes its collections.
    pub(crate) async fn prepared(&self) -> Store {
        let store = open(&self.url, self.access_key()).await;
        let mut schemas = repo_across::schemas().unwrap();
        schemas.push(CollectionSchema::undeclared(items()));
        store.prepare(&schemas).await.unwrap();
        store
    }
}

/// Opens the store of a URL; the access key is one of DynamoDB Local.
pub(crate) async fn open(url: &str, access_key: &str) -> Store {
    if url == "memory:" {
        return Arc::new(MemoryStrategy::new(OpenOptions::default()));
    }
    let Some(prefix) = url.strip_prefix("dynamodb:") else {
        let chosen = Chosen::by_url(&registry(), url).unwrap();
        return chosen.open(OpenOptions::default()).await.unwrap();
    };
    let credentials = Credentials::new(access_key, "not a secret", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .endpoint_url(servers::dynamodb())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let settings = DynamoSettings { table_prefix: prefix.to_owned(), ..DynamoSettings::default() };
    let opened = DynamoStrategy::open_with(&config, settings, OpenOptions::default()).await;
    Arc::new(opened.unwrap())
}

/// Two stores.
pub(crate) struct World {
    pub(crate) first: Store,
    pub(crate) second: Store,
    // Behind the stores, whose connections end before.
    pub(crate) sites: [Site; 2],
}

impl World {
    pub(crate) async fn at(first: Site, second: Site) -> Self {
        let stores = (first.prepared().await, second.prepared().await);
        Self { first: stores.0, second: stores.1, sites: [first, second] }
    }

    pub(crate) async fn memory() -> Self {
        Self::at(Site::memory(), Site::memory()).await
    }

    /// The pair as a process has it that has just begun; it keeps no marker any longer than it
    /// is needed.
    pub(crate) async fn across(&self) -> Across {
        pair(&self.first, &self.second).await.with_grace(Duration::ZERO)
    }

    /// A process that is killed after a step.
    pub(crate) async fn killed_at(&self, at: Step) -> Across {
        self.across().await.with_hooks(Hooks::new(move |step| step == at))
    }
}

pub(crate) async fn pair(first: &Store, second: &Store) -> Across {
    Across::new(Arc::clone(first), Arc::clone(second)).await.unwrap()
}

fn items() -> CollectionName {
    CollectionName::new("items").unwrap()
}

pub(crate) fn item(id: &str) -> Key {
    Key::new(items(), EntityId::new(id).unwrap())
}

pub(crate) fn put(id: &str, number: u64, precondition: Precondition) -> Write {
    let document = Document::parse(&format!(r#"{{"id":"{id}","n":{number}}}"#)).unwrap();
    Write::put(item(id), document, precondition)
}

pub(crate) fn over(version: u64) -> Precondition {
    Precondition::Version(Version::new(version).unwrap())
}

/// The number that a store holds under an id.
pub(crate) async fn number(store: &Store, id: &str) -> Option<u64> {
    let key = item(id);
    let entity = store.get(&key.collection, &key.id).await.unwrap()?;
    let field = FieldPath::parse("n").unwrap();
    Some(entity.document.get_text(&field).unwrap().parse().unwrap())
}

#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("the call went through where it has to be refused"),
        Err(error) => error,
    }
}
