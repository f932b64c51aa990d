//! An open store and its typed repositories.

use std::sync::Arc;

use repo_core::strategy::StorageStrategy;
use repo_core::{
    CollectionName, CollectionSchema, Error, ErrorKind, Model, Result, RetryPolicy, Schemas,
    StoreRepository, TransactionAttempts,
};

use crate::transaction::Transaction;

/// An open store. Cheap to clone; all clones are one handle.
#[derive(Debug, Clone)]
pub struct Store {
    strategy: Arc<dyn StorageStrategy>,
    schemas: Arc<Schemas>,
    retry: RetryPolicy,
}

impl Store {
    /// A store over a strategy that is open already and whose collections are
    /// made.
    #[must_use]
    pub fn new(
        strategy: Arc<dyn StorageStrategy>,
        schemas: Arc<Schemas>,
        retry: RetryPolicy,
    ) -> Self {
        Self { strategy, schemas, retry }
    }

    /// The repository of a model.
    ///
    /// # Errors
    /// `ConfigInvalid` when the store was opened without a schema of the model's
    /// collection, or with one that says otherwise than the model.
    pub fn repository<M: Model>(&self) -> Result<StoreRepository<M>> {
        let collection = CollectionName::new(M::COLLECTION)?;
        let Some(declared) = self.schemas.declared(&collection) else {
            return Err(refuse("the store was opened without a schema of the collection")
                .with("collection", collection)
                .hint("add it where the store is opened: .model::<…>() or .schemas(…)"));
        };
        if let Some(model) = M::schema()? {
            check_same(&model, declared)?;
        }
        StoreRepository::new(Arc::clone(&self.strategy))
    }

    /// Runs `body` in a transaction over any keys of the store, and commits it.
    /// Everything that was read is checked when it commits. After a conflict, or
    /// when the store was not available, all of it runs again, with capped and
    /// jittered pauses; so `body` should change nothing but the store. An error
    /// of `body` rolls back and is returned.
    ///
    /// In a spawned task `body` is an `async move` closure.
    ///
    /// # Errors
    /// That of `body`; or that of the last commit, when the attempts are used up
    /// or it cannot be tried again (`OutcomeUnknown` is not).
    pub async fn transaction<T>(
        &self,
        mut body: impl AsyncFnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = TransactionAttempts::new(self.retry);
        loop {
            let mut tx = Transaction::begin(Arc::clone(&self.strategy));
            let outcome = body(&mut tx).await;
            if let Some(value) = attempts.end(tx.into_documents(), outcome).await? {
                return Ok(value);
            }
        }
    }

    /// The collections that the store was opened with.
    #[must_use]
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// The strategy beneath, for what has no types: documents, scans, health.
    #[must_use]
    pub fn strategy(&self) -> &Arc<dyn StorageStrategy> {
        &self.strategy
    }

    /// The leases of the store, in the name of this process. Their collections are made by
    /// [`Leases::prepare`](repo_lease::Leases::prepare), or with the others if the store is
    /// opened with their [schemas](repo_lease::schemas).
    #[cfg(feature = "leases")]
    #[must_use]
    pub fn leases(&self) -> repo_lease::Leases {
        repo_lease::Leases::new(Arc::clone(&self.strategy))
    }

    /// Ends all work of this handle and gives its files and locks back. Later
    /// calls are `Closed`. Safe to repeat.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn close(&self) -> Result<()> {
        self.strategy.close().await
    }
}

/// Checks that a store's schema holds all that the model's says.
fn check_same(model: &CollectionSchema, declared: &CollectionSchema) -> Result<()> {
    let differs = if model.id_field != declared.id_field {
        "id field"
    } else if model.schema_version != declared.schema_version {
        "schema version"
    } else if model.indexes.iter().any(|index| !declared.indexes.contains(index)) {
        "indexes"
    } else if model.references.iter().any(|(field, to)| declared.references.get(field) != Some(to))
    {
        "references"
    } else if model.expiry.is_some() && model.expiry != declared.expiry {
        "time to live"
    } else if model.enforce_references && !declared.enforce_references {
        "whether references are enforced"
    } else {
        return Ok(());
    };
    Err(refuse("the model and the schema that the store was opened with differ")
        .with("collection", &model.collection)
        .with("in", differs)
        .hint("open the store with the model's own schema: .model::<…>()"))
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "make a repository", why)
}
