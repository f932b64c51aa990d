//! What every call of one handle shares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result};

use super::catalog::Catalog;
use super::pool::Pool;
use crate::config::SqlSettings;

/// The state of one handle.
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) location: String,
    /// The schema of the database in which everything is.
    pub(super) schema: String,
    pub(super) options: OpenOptions,
    closed: AtomicBool,
    /// Schemas given to `prepare`; they come before those of the options.
    given: RwLock<BTreeMap<CollectionName, CollectionSchema>>,
    /// How often schemas were given.
    times_given: AtomicU64,
    catalog: RwLock<Arc<Catalog>>,
}

/// Where it is and whether it is open; the rest would fill pages.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("location", &self.location)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(settings: &SqlSettings, options: OpenOptions) -> Result<Self> {
        Ok(Self {
            pool: Pool::new(settings, options.read_only)?,
            location: settings.location(),
            schema: settings.schema.clone(),
            options,
            closed: AtomicBool::new(false),
            given: RwLock::default(),
            times_given: AtomicU64::new(0),
            catalog: RwLock::default(),
        })
    }

    /// Marks the handle closed and gives its connections back.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.pool.close();
    }

    /// # Errors
    /// `Closed` once the handle is closed.
    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::Closed,
                operation,
                "this handle of the store is closed",
            )
            .with("store", &self.location));
        }
        Ok(())
    }

    /// # Errors
    /// `Closed` once it is closed, `Unsupported` when opened read-only.
    pub(super) fn check_writable(&self, operation: &'static str) -> Result<()> {
        self.check_open(operation)?;
        if self.options.read_only {
            return Err(Error::new(
                ErrorKind::Unsupported,
                operation,
                "the store is open for reading only",
            )
            .with("store", &self.location));
        }
        Ok(())
    }

    /// The declared schema of a collection, if there is one.
    pub(super) fn declared(&self, collection: &CollectionName) -> Option<CollectionSchema> {
        let given = self.given.read().unwrap_or_else(PoisonError::into_inner);
        given.get(collection).or_else(|| self.options.schemas.declared(collection)).cloned()
    }

    /// Uses these schemas from now on. A catalog read with others counts no
    /// longer.
    pub(super) fn give(&self, schemas: &[CollectionSchema]) {
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        given.extend(schemas.iter().map(|schema| (schema.collection.clone(), schema.clone())));
        self.times_given.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often schemas were given.
    pub(super) fn times_given(&self) -> u64 {
        self.times_given.load(Ordering::Acquire)
    }

    /// Notes what is known now, unless it was found with schemas that are
    /// outdated.
    pub(super) fn set_catalog(&self, catalog: Arc<Catalog>) {
        let mut known = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if catalog.given >= known.given {
            *known = catalog;
        }
    }
}
