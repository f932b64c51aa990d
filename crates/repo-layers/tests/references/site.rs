//! Where the stores of the tests are: one of each kind.

use std::process::Command;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use repo_core::MemoryStrategy;
use repo_core::strategy::OpenOptions;
use repo_dynamo::{DynamoSettings, DynamoStrategy};
use repo_engine::{Chosen, registry};
use repo_layers::Inner;
use repo_testkit::servers;
use tempfile::TempDir;

/// A place of one store. What is in it is removed on drop.
pub(crate) struct Site {
    url: String,
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
    fn of(url: impl FnOnce(&TempDir) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        Self { url: url(&folder), _folder: folder, _schema: None }
    }

    pub(crate) fn memory() -> Self {
        Self::of(|_| "memory:".to_owned())
    }

    pub(crate) fn json_files() -> Self {
        Self::of(|folder| format!("json:{}", folder.path().join("data").display()))
    }

    pub(crate) fn sqlite() -> Self {
        Self::of(|folder| format!("sqlite:{}", folder.path().join("store.db").display()))
    }

    pub(crate) fn postgresql() -> Self {
        let schema = servers::unique_name();
        let site = Self::of(|_| format!("{}?schema={schema}", servers::postgres()));
        Self { _schema: Some(Schema(schema)), ..site }
    }

    pub(crate) fn dynamodb() -> Self {
        Self::of(|_| format!("dynamodb:{}", servers::unique_name()))
    }

    /// Opens the store.
    pub(crate) async fn open(&self) -> Inner {
        if self.url == "memory:" {
            return Arc::new(MemoryStrategy::new(OpenOptions::default()));
        }
        let Some(prefix) = self.url.strip_prefix("dynamodb:") else {
            let chosen = Chosen::by_url(&registry(), &self.url).unwrap();
            return chosen.open(OpenOptions::default()).await.unwrap();
        };
        let key = servers::access_key();
        let credentials = Credentials::new(key, "not a secret", None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(servers::dynamodb())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let table_prefix = prefix.to_owned();
        let settings = DynamoSettings { table_prefix, ..DynamoSettings::default() };
        let opened = DynamoStrategy::open_with(&config, settings, OpenOptions::default()).await;
        Arc::new(opened.unwrap())
    }
}
