//! Making tables and indexes, and waiting until they can be used.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode as AwsBillingMode, CreateGlobalSecondaryIndexAction,
    DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType, ProvisionedThroughput,
    ScalarAttributeType, TableDescription, TableStatus,
};
use repo_core::strategy::Action;
use repo_core::{Error, ErrorKind, Result};

use crate::config::BillingMode;
use crate::errors::{Failure, Scene};
use crate::layout::{Index, STORE_KEY};
use crate::retry::patiently;
use crate::shared::Shared;

/// A second partition key, which no table can have.
const IMPOSSIBLE_KEY: &str = "impossible";

/// How long a table or an index may take. AWS fills a new index from what the
/// table holds: minutes for millions of items.
const TABLE_PATIENCE: Duration = Duration::from_secs(60 * 60);

const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// The keys of a table of the engine's own.
#[derive(Debug)]
pub(crate) struct Keys {
    /// A text.
    pub(crate) hash: &'static str,
    pub(crate) range: (&'static str, ScalarAttributeType),
}

impl Shared {
    /// What DynamoDB says of a table; `None` when there is none.
    pub(crate) async fn describe(
        &self,
        operation: &'static str,
        table: &str,
    ) -> Result<Option<TableDescription>> {
        let scene = self.repeatable(operation, table);
        let answer = patiently(self.patience, || async {
            let request = self.client.describe_table().table_name(table);
            request.send().await.map_err(|error| scene.failure(&error))
        });
        match answer.await {
            Ok(answer) => Ok(answer.table),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a table with its indexes and waits for it. One that somebody else
    /// makes at the same time is waited for. Whether this call made it.
    pub(crate) async fn create_table(
        &self,
        table: &str,
        key: &str,
        indexes: &[Index],
    ) -> Result<bool> {
        let scene = self.repeatable("prepare", table);
        let request = self.creation(&scene, table, key, indexes)?;
        self.make_table(&scene, request).await
    }

    /// Makes a table of items with two keys and waits for it.
    pub(crate) async fn create_own_table(&self, table: &str, keys: &Keys) -> Result<()> {
        let scene = self.repeatable("prepare", table);
        let malformed = |source| scene.malformed(source);
        let (range, kind) = keys.range.clone();
        let definition = AttributeDefinition::builder().attribute_name(range);
        let definition = definition.attribute_type(kind).build().map_err(malformed)?;
        let request = self
            .creation(&scene, table, keys.hash, &[])?
            .key_schema(key_element(range, KeyType::Range).map_err(malformed)?)
            .attribute_definitions(definition);
        self.make_table(&scene, request).await.map(drop)
    }

    async fn make_table(
        &self,
        scene: &Scene<'_>,
        request: CreateTableFluentBuilder,
    ) -> Result<bool> {
        let made = patiently(self.patience, || async {
            match request.clone().send().await {
                Ok(_) => Ok(true),
                Err(error) if error.code() == Some("ResourceInUseException") => Ok(false),
                Err(error) => Err(scene.failure(&error)),
            }
        })
        .await?;
        self.wait_for(scene.table, is_active).await?;
        Ok(made)
    }

    /// Whether this user may make tables. DynamoDB has no way to ask, so it is
    /// asked for a table that cannot be: with two partition keys. The answer to a user
    /// without the right says so first; else it says that the table cannot be.
    ///
    /// # Errors
    /// `PermissionDenied`. Any other answer says nothing.
    pub(crate) async fn check_may_create(&self) -> Result<()> {
        let scene = self.repeatable("prepare", &self.store_table);
        let malformed = |source| scene.malformed(source);
        let second = key_element(IMPOSSIBLE_KEY, KeyType::Hash).map_err(malformed)?;
        let request = self
            .creation(&scene, &self.store_table, STORE_KEY, &[])?
            .key_schema(second)
            .attribute_definitions(attribute(IMPOSSIBLE_KEY).map_err(malformed)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match scene.failure(&error).error {
                error if error.kind() == ErrorKind::PermissionDenied => Err(error),
                _ => Ok(()),
            },
        }
    }

    fn creation(
        &self,
        scene: &Scene<'_>,
        table: &str,
        key: &str,
        indexes: &[Index],
    ) -> Result<CreateTableFluentBuilder> {
        let malformed = |source| scene.malformed(source);
        let keys = indexes.iter().flat_map(|index| [index.hash.as_str(), &index.range]);
        let mut request = self
            .client
            .create_table()
            .table_name(table)
            .key_schema(key_element(key, KeyType::Hash).map_err(malformed)?)
            .attribute_definitions(attribute(key).map_err(malformed)?)
            .billing_mode(match self.settings.billing_mode {
                BillingMode::PayPerRequest => AwsBillingMode::PayPerRequest,
                BillingMode::Provisioned => AwsBillingMode::Provisioned,
            })
            .set_provisioned_throughput(self.throughput(scene)?);
        for name in keys {
            request = request.attribute_definitions(attribute(name).map_err(malformed)?);
        }
        for index in indexes {
            let definition = GlobalSecondaryIndex::builder()
                .index_name(&index.name)
                .set_key_schema(Some(index_keys(index).map_err(malformed)?))
                .projection(everything())
                .set_provisioned_throughput(self.throughput(scene)?);
            request = request.global_secondary_indexes(definition.build().map_err(malformed)?);
        }
        Ok(request)
    }

    /// The capacity of a new table, where it is not paid by request.
    fn throughput(&self, scene: &Scene<'_>) -> Result<Option<ProvisionedThroughput>> {
        match self.settings.billing_mode {
            BillingMode::PayPerRequest => Ok(None),
            BillingMode::Provisioned => self.units(scene).map(Some),
        }
    }

    fn units(&self, scene: &Scene<'_>) -> Result<ProvisionedThroughput> {
        ProvisionedThroughput::builder()
            .read_capacity_units(i64::from(self.settings.read_capacity))
            .write_capacity_units(i64::from(self.settings.write_capacity))
            .build()
            .map_err(|source| scene.malformed(source))
    }

    /// Adds an index and waits until it is filled.
    pub(crate) async fn create_index(&self, table: &str, index: &Index) -> Result<()> {
        let scene = self.repeatable("prepare", table);
        let malformed = |source| scene.malformed(source);
        let action = CreateGlobalSecondaryIndexAction::builder()
            .index_name(&index.name)
            .set_key_schema(Some(index_keys(index).map_err(malformed)?))
            .projection(everything())
            .set_provisioned_throughput(self.index_throughput(&scene, table).await?)
            .build()
            .map_err(malformed)?;
        let update = GlobalSecondaryIndexUpdate::builder().create(action).build();
        self.update_indexes(&scene, table, update, Some(index)).await?;
        self.wait_for(table, is_active).await
    }

    /// An index is paid for as its table is, whatever the settings say now.
    async fn index_throughput(
        &self,
        scene: &Scene<'_>,
        table: &str,
    ) -> Result<Option<ProvisionedThroughput>> {
        let found = self.describe("prepare", table).await?;
        let by_request = found.is_some_and(|table| {
            table
                .billing_mode_summary
                .and_then(|summary| summary.billing_mode)
                .is_some_and(|mode| mode == AwsBillingMode::PayPerRequest)
        });
        if by_request { Ok(None) } else { self.units(scene).map(Some) }
    }

    /// Removes an index and waits until it is gone.
    pub(crate) async fn drop_index(&self, table: &str, name: &str) -> Result<()> {
        let scene = self.repeatable("prepare", table);
        let action = DeleteGlobalSecondaryIndexAction::builder()
            .index_name(name)
            .build()
            .map_err(|source| scene.malformed(source))?;
        let update = GlobalSecondaryIndexUpdate::builder().delete(action).build();
        self.update_indexes(&scene, table, update, None).await?;
        self.wait_for(table, |found| is_active(found) && !has_index(found, name)).await
    }

    async fn update_indexes(
        &self,
        scene: &Scene<'_>,
        table: &str,
        update: GlobalSecondaryIndexUpdate,
        index: Option<&Index>,
    ) -> Result<()> {
        let mut request =
            self.client.update_table().table_name(table).global_secondary_index_updates(update);
        for name in index.iter().flat_map(|index| [&index.hash, &index.range]) {
            let definition = attribute(name).map_err(|source| scene.malformed(source))?;
            request = request.attribute_definitions(definition);
        }
        patiently(self.patience, || async {
            match request.clone().send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(scene.failure(&error)),
            }
        })
        .await
    }

    /// Looks at a table until it is as it should be.
    pub(crate) async fn wait_for(
        &self,
        table: &str,
        done: impl Fn(&TableDescription) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + TABLE_PATIENCE;
        let mut pause = FIRST_LOOK;
        loop {
            self.check_open("prepare")?;
            if self.describe("prepare", table).await?.is_some_and(|found| done(&found)) {
                return Ok(());
            }
            if Instant::now() >= end {
                let Failure { error, .. } =
                    self.repeatable("prepare", table).later("the table is still being made");
                return Err(error.hint(format!("run {} again later", Action::Prepare)));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// Refuses a table whose key is not the one that we would have made.
    pub(crate) fn check_key(
        &self,
        found: &TableDescription,
        table: &str,
        key: &str,
    ) -> Result<(), Error> {
        self.check_keys(found, table, &[(key, KeyType::Hash, ScalarAttributeType::S)])
    }

    /// The same for a table with two keys.
    pub(crate) fn check_own_keys(
        &self,
        found: &TableDescription,
        table: &str,
        keys: &Keys,
    ) -> Result<(), Error> {
        let (range, kind) = keys.range.clone();
        let hash = (keys.hash, KeyType::Hash, ScalarAttributeType::S);
        self.check_keys(found, table, &[hash, (range, KeyType::Range, kind)])
    }

    fn check_keys(
        &self,
        found: &TableDescription,
        table: &str,
        keys: &[(&str, KeyType, ScalarAttributeType)],
    ) -> Result<(), Error> {
        let stored = found.key_schema.as_deref().unwrap_or_default();
        let is_of = |name: &str, kind: &ScalarAttributeType| {
            found.attribute_definitions().iter().any(|attribute| {
                attribute.attribute_name == name && attribute.attribute_type == *kind
            })
        };
        let same = stored.len() == keys.len()
            && stored.iter().zip(keys).all(|(stored, (name, place, kind))| {
                stored.attribute_name == *name && stored.key_type == *place && is_of(name, kind)
            });
        if same { Ok(()) } else { Err(self.foreign("prepare", table)) }
    }
}

/// Whether a table and all of its indexes can be used.
pub(crate) fn is_active(table: &TableDescription) -> bool {
    let indexes = table.global_secondary_indexes();
    table.table_status == Some(TableStatus::Active)
        && indexes.iter().all(|index| index.index_status == Some(IndexStatus::Active))
}

/// Whether a table has an index of this name.
pub(crate) fn has_index(table: &TableDescription, name: &str) -> bool {
    table.global_secondary_indexes().iter().any(|index| index.index_name.as_deref() == Some(name))
}

type Built<T> = Result<T, aws_sdk_dynamodb::error::BuildError>;

fn attribute(name: &str) -> Built<AttributeDefinition> {
    let definition = AttributeDefinition::builder().attribute_name(name);
    definition.attribute_type(ScalarAttributeType::S).build()
}

fn key_element(name: &str, kind: KeyType) -> Built<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

fn index_keys(index: &Index) -> Built<Vec<KeySchemaElement>> {
    Ok(vec![key_element(&index.hash, KeyType::Hash)?, key_element(&index.range, KeyType::Range)?])
}

/// An index holds whole items, so that a query is one request.
fn everything() -> Projection {
    Projection::builder().projection_type(ProjectionType::All).build()
}
