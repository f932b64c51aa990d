//! A place in DynamoDB Local for each test.
#![allow(dead_code)]

pub(crate) mod proxy;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{Key, Result};
use repo_dynamo::{DynamoSettings, DynamoStrategy};
use repo_testkit::Place;
use repo_testkit::servers::{access_key, dynamodb as server};

/// An AWS configuration for an endpoint, with credentials that mean nothing.
pub(crate) fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key(), "not a secret", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Tables of a prefix of their own, removed on drop.
pub(crate) struct DynamoPlace {
    pub(crate) prefix: String,
    pub(crate) config: SdkConfig,
}

impl DynamoPlace {
    pub(crate) fn new() -> Self {
        let prefix = format!("t{:016x}", fastrand::u64(..));
        Self { prefix, config: config(&server()) }
    }

    pub(crate) fn settings(&self) -> DynamoSettings {
        DynamoSettings { table_prefix: self.prefix.clone(), ..DynamoSettings::default() }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config)
    }

    pub(crate) fn table(&self, collection: &str) -> String {
        format!("{}_{collection}", self.prefix)
    }

    pub(crate) async fn open_as(&self, settings: DynamoSettings) -> Result<DynamoStrategy> {
        DynamoStrategy::open_with(&self.config, settings, OpenOptions::default()).await
    }
}

#[async_trait]
impl Place for DynamoPlace {
    async fn open(&self, options: OpenOptions) -> Result<Arc<dyn StorageStrategy>> {
        let store = DynamoStrategy::open_with(&self.config, self.settings(), options).await?;
        Ok(Arc::new(store))
    }

    /// The version, by one that is no number.
    async fn spoil(&self, key: &Key) -> bool {
        let update = self.client().update_item().table_name(self.table(key.collection.as_str()));
        let update = update
            .key("id", AttributeValue::S(key.id.to_string()))
            .update_expression("SET #version = :version")
            .expression_attribute_names("#version", "_version")
            .expression_attribute_values(":version", AttributeValue::S("none".to_owned()));
        update.send().await.unwrap();
        true
    }
}

impl Drop for DynamoPlace {
    fn drop(&mut self) {
        let (client, prefix) = (self.client(), self.prefix.clone());
        // A runtime cannot be blocked from within, so on a thread of its own.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(remove_tables(&client, &prefix));
        });
        drop(removal.join());
    }
}

/// Removes the tables of a prefix. Best effort: the server keeps nothing.
async fn remove_tables(client: &Client, prefix: &str) {
    let own = ["_store", "_changes", "_versions"];
    let collections = ["items", "notes", "things", "machines", "templates", "requests"];
    for name in own.iter().chain(&collections) {
        for between in ["_", "-"] {
            let table = format!("{prefix}{between}{name}");
            let _ = client.delete_table().table_name(table).send().await;
        }
    }
}
