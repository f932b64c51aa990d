//! What a handle knows of the database, and the schemas that it was read with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use repo_core::{CollectionName, CollectionSchema, Schemas};

/// What was read of a database with the schemas of a moment.
pub(crate) trait ReadWithSchemas: Default {
    /// What [`CatalogCache::times_given`] was before it was read.
    fn given(&self) -> u64;
}

/// The newest catalog, and the schemas for the next one.
pub(crate) struct CatalogCache<C> {
    /// Those of the configuration.
    declared: Arc<Schemas>,
    /// Schemas given to `prepare`; they come before those of the configuration.
    given: RwLock<BTreeMap<CollectionName, CollectionSchema>>,
    times_given: AtomicU64,
    catalog: RwLock<Arc<C>>,
}

impl<C: ReadWithSchemas> CatalogCache<C> {
    pub(crate) fn new(declared: Arc<Schemas>) -> Self {
        Self {
            declared,
            given: RwLock::default(),
            times_given: AtomicU64::new(0),
            catalog: RwLock::default(),
        }
    }

    /// The declared schema of a collection, if there is one.
    pub(crate) fn declared(&self, collection: &CollectionName) -> Option<CollectionSchema> {
        let given = self.given.read().unwrap_or_else(PoisonError::into_inner);
        given.get(collection).or_else(|| self.declared.declared(collection)).cloned()
    }

    /// Uses these schemas from now on. A catalog read with others counts no
    /// longer.
    pub(crate) fn give(&self, schemas: &[CollectionSchema]) {
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        given.extend(schemas.iter().map(|schema| (schema.collection.clone(), schema.clone())));
        self.times_given.fetch_add(1, Ordering::AcqRel);
    }

    /// How often schemas were given. To be asked before the schemas of a catalog
    /// are looked at: too low a number only makes the catalog be read again.
    pub(crate) fn times_given(&self) -> u64 {
        self.times_given.load(Ordering::Acquire)
    }

    /// What is known.
    pub(crate) fn get(&self) -> Arc<C> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what is known now, unless it was read with outdated schemas. A slow
    /// reader may note an older state of the database.
    pub(crate) fn set(&self, catalog: Arc<C>) {
        let mut known = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if catalog.given() >= known.given() {
            *known = catalog;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ReadWithSchemas for u64 {
        fn given(&self) -> u64 {
            *self
        }
    }

    fn schema(version: u32) -> CollectionSchema {
        let name = CollectionName::new("m").unwrap();
        CollectionSchema { schema_version: version, ..CollectionSchema::undeclared(name) }
    }

    #[test]
    fn what_was_given_comes_before_what_was_declared() {
        let cache = CatalogCache::<u64>::new(Arc::new([schema(1)].into_iter().collect()));
        let version = || cache.declared(&schema(1).collection).map(|found| found.schema_version);
        assert_eq!((version(), cache.times_given()), (Some(1), 0));
        cache.give(&[schema(2)]);
        assert_eq!((version(), cache.times_given()), (Some(2), 1));
    }

    #[test]
    fn a_catalog_of_older_schemas_does_not_replace_a_newer_one() {
        let cache = CatalogCache::<u64>::new(Arc::default());
        cache.set(Arc::new(2));
        cache.set(Arc::new(1));
        assert_eq!(*cache.get(), 2);
    }
}
