//! What every call of one handle shares.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use repo_core::Result;
use repo_core::strategy::{OpenOptions, OpenState, StoreId};

use super::catalog::Catalog;
use super::pool::Pool;
use super::replicas::Replicas;
use crate::Dialect;
use crate::catalog_cache::CatalogCache;
use crate::config::SqlSettings;
use crate::own_record::OwnRecord;

/// The state of one handle.
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    /// Who answers reads that need not be strong.
    pub(super) replicas: Option<Replicas>,
    /// The store's id, once it was asked for.
    pub(super) store_id: OnceLock<StoreId>,
    pub(super) location: String,
    /// The schema of the database in which everything is.
    pub(super) schema: String,
    /// How long the tables are tried for that are to be captured.
    pub(super) patience: Duration,
    pub(super) options: OpenOptions,
    open: OpenState,
    pub(super) known: CatalogCache<Catalog>,
}

/// Where it is and whether it is open; the rest would fill pages.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("location", &self.location)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(settings: &SqlSettings, options: OpenOptions) -> Result<Self> {
        Ok(Self {
            pool: Arc::new(Pool::new(settings, options.read_only, None)?),
            replicas: Replicas::new(settings, options.read_only)?,
            store_id: OnceLock::new(),
            location: settings.location(),
            schema: settings.schema.clone(),
            patience: settings.busy_timeout(),
            known: CatalogCache::new(Arc::clone(&options.schemas)),
            options,
            open: OpenState::default(),
        })
    }

    /// Marks the handle closed and gives its connections back.
    pub(super) fn close(&self) {
        self.open.close();
        if let Some(replicas) = &self.replicas {
            replicas.close();
        }
        self.pool.close();
    }

    /// Records were written, or may have been. To be called before the caller is told.
    pub(super) fn wrote(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.wrote();
        }
    }

    /// # Errors
    /// `Closed` once the handle is closed.
    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.open.check(operation, &self.location)
    }

    /// # Errors
    /// `Closed` once it is closed, `Unsupported` when opened read-only.
    pub(super) fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        self.options.check_writable(operation, &self.location)
    }

    /// The store's own record, for what it says.
    pub(super) fn own_record(&self) -> OwnRecord {
        OwnRecord { dialect: Dialect::Postgres, location: self.location.clone() }
    }
}
