//! Opening the tables of one prefix as a store.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use repo_core::strategy::{Action, OpenOptions, StorageStrategy};
use repo_core::{Error, ErrorKind, Result};

use crate::cache::Recorded;
use crate::client;
use crate::config::DynamoSettings;
use crate::existing;
use crate::retry::PATIENCE;
use crate::shared::Shared;
use crate::strategy::DynamoStrategy;

impl DynamoStrategy {
    /// Opens the store; region and credentials that the settings do not name
    /// come from AWS's default chain.
    ///
    /// # Errors
    /// `ConfigInvalid` without a region; `PermissionDenied` without accepted
    /// credentials; `Unavailable` when DynamoDB cannot be reached; `NotFound`
    /// when opened read-only and there is no store; `Foreign` when the
    /// store's own table is somebody else's; `Unsupported` for a newer layout or
    /// a setting that is not yet supported.
    ///
    /// ```no_run
    /// use repo_core::strategy::OpenOptions;
    /// use repo_dynamo::{DynamoSettings, DynamoStrategy};
    ///
    /// # async fn example() -> repo_core::Result<()> {
    /// let settings = DynamoSettings {
    ///     region: Some("eu-central-1".to_owned()),
    ///     table_prefix: "broker".to_owned(),
    ///     ..DynamoSettings::default()
    /// };
    /// let store = DynamoStrategy::open(settings, OpenOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(settings: DynamoSettings, options: OpenOptions) -> Result<Self> {
        settings.check()?;
        let config = client::load(&settings).await?;
        Self::open_with(&config, settings, options).await
    }

    /// Opens the store with an AWS configuration made elsewhere: its own
    /// credentials, HTTP client or endpoint. Of the settings `region`,
    /// `profile` and `endpoint_url` have no effect then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        config: &SdkConfig,
        settings: DynamoSettings,
        options: OpenOptions,
    ) -> Result<Self> {
        settings.check()?;
        Self::open_patiently(config, settings, options, PATIENCE).await
    }

    /// As [`open_with`](Self::open_with), with another patience for throttled
    /// requests.
    pub(crate) async fn open_patiently(
        config: &SdkConfig,
        settings: DynamoSettings,
        options: OpenOptions,
        patience: Duration,
    ) -> Result<Self> {
        let shared = Self::connect(config, settings, options, patience).await?;
        Self::on(Arc::new(shared)).await
    }

    /// Opens the store; for reading only also tables of another program under the names
    /// of the collections, where there is no store.
    ///
    /// # Errors
    /// As [`open`](Self::open), with why such tables cannot be read.
    pub async fn open_any(
        settings: DynamoSettings,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        settings.check()?;
        let config = client::load(&settings).await?;
        Self::open_any_with(&config, settings, options).await
    }

    /// The same with an AWS configuration made elsewhere, as for
    /// [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// As [`open_any`](Self::open_any).
    pub async fn open_any_with(
        config: &SdkConfig,
        settings: DynamoSettings,
        options: OpenOptions,
    ) -> Result<Arc<dyn StorageStrategy>> {
        settings.check()?;
        let shared = Arc::new(Self::connect(config, settings, options, PATIENCE).await?);
        match Self::on(Arc::clone(&shared)).await {
            Ok(store) => Ok(Arc::new(store)),
            Err(refusal) => existing::open(shared, refusal).await,
        }
    }

    /// A handle that is connected and has looked at nothing.
    pub(crate) async fn connect(
        config: &SdkConfig,
        settings: DynamoSettings,
        options: OpenOptions,
        patience: Duration,
    ) -> Result<Shared> {
        let client = client::connect(config).await.map_err(|error| match &settings.profile {
            Some(profile) => error.with("profile", profile),
            None => error,
        })?;
        let location = client::location(&settings, config);
        Ok(Shared::new(client, settings, location, options, patience))
    }

    /// The store of a handle that is connected.
    async fn on(shared: Arc<Shared>) -> Result<Self> {
        let found = shared.read_definition("open").await?;
        if found.is_none() && shared.options.read_only {
            return Err(Error::new(ErrorKind::NotFound, "open", "there is no store")
                .with("store", &shared.location)
                .with("table", &shared.store_table)
                .hint(format!(
                    "check table_prefix and region; a store is made with {}",
                    Action::Prepare
                )));
        }
        let definition = found.map(|found| found.definition).unwrap_or_default();
        let keeps = definition.histories.as_ref().is_some_and(|all| !all.kept.is_empty());
        shared.cache.set_recorded(Recorded { captures: definition.capture.is_on(), keeps });
        let capabilities = shared.capabilities();
        Ok(Self { shared, capabilities })
    }
}
