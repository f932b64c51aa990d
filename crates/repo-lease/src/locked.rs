//! A transaction on a locked entity, for which others wait.

use std::sync::Arc;

use repo_core::{Document, Error, Key, Result, RetryPolicy, Transaction, TransactionAttempts};

use crate::lease::Lease;
use crate::leases::Leases;
use crate::scope::LeaseScope;
use crate::ttl::LeaseTtl;

impl Leases {
    /// Locks an entity, runs `body` in a transaction with what is stored under its key, and
    /// commits it: `SELECT … FOR UPDATE` with its waiting, on every store. The entity need not
    /// be there.
    ///
    /// - Of all who call this for one key, over all processes, one runs its `body` at a time.
    ///   The others wait before theirs, and read what the one before them left.
    /// - Who writes the entity without the lock is not kept from it. Then the commit is a
    ///   `Conflict`, nothing is written, and `body` runs again, as `policy` says, while the
    ///   lock is held: what commits was decided by what is stored.
    /// - A process that is stopped for longer than `ttl` and whose lock another one has by then
    ///   can commit nothing any more.
    ///
    /// The lock is the exclusive [lease](Lease) of [`LeaseScope::of_entity`], which is renewed
    /// while `body` runs and given back at the end, also after an error. Where that fails, or
    /// the future is dropped, others have it when `ttl` has passed.
    ///
    /// Two that lock two entities within each other, in different orders, wait for each other
    /// for ever: lock in one order everywhere, and bound the time by `tokio::time::timeout`.
    /// In a spawned task `body` is an `async move` closure.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
    /// # use repo_core::{CollectionSchema, Document, FieldPath, Key, MemoryStrategy, RetryPolicy};
    /// # use repo_lease::{LeaseTtl, Leases};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> repo_core::Result<()> {
    /// # let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
    /// # store.prepare(&[CollectionSchema::undeclared("requests".parse()?)]).await?;
    /// let leases = Leases::new(store.clone());
    /// leases.prepare().await?;
    /// let key = Key::new("requests".parse()?, "r-1".parse()?);
    /// store.create(key.clone(), Document::parse(r#"{"id": "r-1", "state": "new"}"#)?).await?;
    ///
    /// let ttl = LeaseTtl::new(Duration::from_secs(10))?;
    /// let state = FieldPath::parse("state")?;
    /// let taken = leases
    ///     .execute_with_lock(&key, ttl, RetryPolicy::default(), async |tx, request| {
    ///         let is_new = request.is_some_and(|r| r.get_text(&state) == Some("\"new\""));
    ///         if is_new {
    ///             let taken = Document::parse(r#"{"id": "r-1", "state": "taken"}"#)?;
    ///             tx.save(key.clone(), taken);
    ///         }
    ///         Ok(is_new)
    ///     })
    ///     .await?;
    /// assert!(taken);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of `body`; that of the last commit, when the attempts are used up or it cannot be
    /// tried again. `Conflict` with the context `lease` when the lock was lost: nothing was
    /// written. `Invalid` for a key of more than
    /// [`LeaseScope::MAX_BYTES`] with its collection; else as [`acquire`](Self::acquire).
    pub async fn execute_with_lock<T>(
        &self,
        key: &Key,
        ttl: LeaseTtl,
        policy: RetryPolicy,
        body: impl AsyncFnMut(&mut Transaction, Option<Document>) -> Result<T>,
    ) -> Result<T> {
        let lease = self.acquire(&LeaseScope::of_entity(key)?, ttl).await?;
        let renewing = lease.keep_alive();
        let done = self.run_locked(&lease, key, policy, body).await;
        drop(renewing);
        let lost = done.as_ref().is_err_and(|error| lease.is_lost(error));
        if !lost {
            // What was done is done; at worst others wait until the time has passed.
            let _ = lease.release().await;
        }
        done
    }

    /// Runs `body` until it commits under the lease.
    async fn run_locked<T>(
        &self,
        lease: &Lease,
        key: &Key,
        policy: RetryPolicy,
        mut body: impl AsyncFnMut(&mut Transaction, Option<Document>) -> Result<T>,
    ) -> Result<T> {
        let named = |error: Error| lease.named_if_lost(error);
        let mut attempts = TransactionAttempts::new(policy);
        loop {
            let mut tx = Transaction::begin(Arc::clone(&self.store));
            lease.protect(&mut tx)?;
            let outcome = match tx.get_locked(key).await {
                Ok(found) => body(&mut tx, found).await,
                Err(error) => Err(error),
            };
            if let Some(value) = attempts.end(tx, outcome).await.map_err(named)? {
                return Ok(value);
            }
        }
    }
}
