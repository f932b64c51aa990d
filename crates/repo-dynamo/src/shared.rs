//! What every part of the strategy works with: the client, the options, and
//! the open or closed state of this handle.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use repo_core::strategy::{Action, OpenOptions, OpenState, not_prepared};
use repo_core::{CollectionName, Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use crate::cache::Cache;
use crate::config::DynamoSettings;
use crate::errors::{Effect, Scene};
use crate::layout::{feed_table_name, store_table_name, versions_table_name};
use crate::load::{Ages, Session};

/// One handle on one store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) settings: DynamoSettings,
    pub(crate) options: OpenOptions,
    pub(crate) location: String,
    /// The store's own table.
    pub(crate) store_table: String,
    /// The table of the captured changes, which need not be there.
    pub(crate) feed_table: String,
    /// The table of older versions, which need not be there.
    pub(crate) versions_table: String,
    /// How long throttled requests are tried again.
    pub(crate) patience: Duration,
    pub(crate) cache: Cache,
    /// What this handle loads, once it loads anything.
    pub(crate) session: OnceCell<Arc<Session>>,
    pub(crate) ages: OnceCell<Ages>,
    /// Held while this handle prepares.
    pub(crate) preparing: tokio::sync::Mutex<()>,
    open: OpenState,
}

impl Shared {
    pub(crate) fn new(
        client: Client,
        settings: DynamoSettings,
        location: String,
        options: OpenOptions,
        patience: Duration,
    ) -> Self {
        Self {
            client,
            store_table: store_table_name(&settings.table_prefix),
            feed_table: feed_table_name(&settings.table_prefix),
            versions_table: versions_table_name(&settings.table_prefix),
            settings,
            options,
            location,
            patience,
            cache: Cache::default(),
            session: OnceCell::new(),
            ages: OnceCell::new(),
            preparing: tokio::sync::Mutex::default(),
            open: OpenState::default(),
        }
    }

    pub(crate) fn close(&self) {
        self.open.close();
    }

    pub(crate) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.location)
    }

    pub(crate) fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        self.options.check_writable(operation, &self.location)
    }

    /// A request that reads, or that may be made twice.
    pub(crate) fn repeatable<'a>(&'a self, operation: &'static str, table: &'a str) -> Scene<'a> {
        Scene { operation, store: &self.location, table, effect: Effect::Repeatable }
    }

    /// A request that must not be made twice.
    pub(crate) fn once<'a>(&'a self, operation: &'static str, table: &'a str) -> Scene<'a> {
        Scene { operation, store: &self.location, table, effect: Effect::Once }
    }

    pub(crate) fn unknown(&self, operation: &'static str, collection: &CollectionName) -> Error {
        if self.cache.is_loading(collection) {
            let why = "the collection is being loaded, or a load of it was broken off";
            return Error::new(ErrorKind::NotFound, operation, why)
                .with("store", &self.location)
                .with("collection", collection)
                .hint(format!(
                    "wait for that run to end; one that was broken off is ended by {} or resumed \
                     by the same migration",
                    Action::Prepare
                ));
        }
        not_prepared(operation, collection, &self.location, &self.cache.collections())
    }
}
