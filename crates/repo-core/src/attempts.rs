//! Running a transaction until it commits.

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder as _;

use crate::strategy::StorageStrategy;
use crate::{ErrorKind, Result, Transaction};

/// How [`transaction`] tries again after a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most attempts, the first included; 1 or more.
    pub max_attempts: usize,
    /// Pause before the second attempt; doubled each time, with jitter.
    pub min_delay: Duration,
    /// Longest pause.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 64,
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(250),
        }
    }
}

/// Runs `body` in a transaction and commits it. When the commit meets a
/// conflict or `Unavailable`, all of it is tried again with capped, jittered
/// back-off; not when what was [required](Transaction::require) does not hold. An
/// error of `body` itself rolls back and is returned, unless it asked for another
/// run with [`Transaction::try_again`].
///
/// In a spawned task `body` is an `async move` closure: one that borrows makes
/// a future that the compiler cannot see to be `Send`.
///
/// ```
/// # use std::sync::Arc;
/// # use repo_core::*;
/// # use repo_core::strategy::*;
/// # async fn run(strategy: Arc<dyn StorageStrategy>) -> Result<()> {
/// let key = Key::new("counters".parse()?, "hits".parse()?);
/// transaction(&strategy, RetryPolicy::default(), async |tx| {
///     let count = match tx.get(&key).await? {
///         Some(document) => document.deserialize::<serde_json::Value>()?["n"].as_u64(),
///         None => None,
///     };
///     let next = serde_json::json!({ "id": "hits", "n": count.unwrap_or(0) + 1 });
///     tx.save(key.clone(), Document::from_serialize(&next)?);
///     Ok(())
/// })
/// .await
/// # }
/// ```
///
/// # Errors
/// The error of `body`; or that of the last commit, when the attempts are used
/// up or it cannot be tried again (`OutcomeUnknown` is not).
pub async fn transaction<T>(
    strategy: &Arc<dyn StorageStrategy>,
    policy: RetryPolicy,
    mut body: impl AsyncFnMut(&mut Transaction) -> Result<T>,
) -> Result<T> {
    let mut attempts = TransactionAttempts::new(policy);
    loop {
        let mut tx = Transaction::begin(Arc::clone(strategy));
        let outcome = body(&mut tx).await;
        if let Some(value) = attempts.end(tx, outcome).await? {
            return Ok(value);
        }
    }
}

/// The runs of one transaction, for callers that run its body themselves, as
/// [`transaction`] does.
#[derive(Debug)]
pub struct TransactionAttempts(backon::ExponentialBackoff);

impl TransactionAttempts {
    /// No run yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        let pauses = backon::ExponentialBuilder::default()
            .with_min_delay(policy.min_delay)
            .with_max_delay(policy.max_delay)
            .with_jitter()
            .with_max_times(policy.max_attempts.saturating_sub(1));
        Self(pauses.build())
    }

    /// Ends a run whose body returned `outcome`: commits it, and returns its value.
    /// `None`, after a pause, when all of it has to run again.
    ///
    /// # Errors
    /// As [`transaction`].
    pub async fn end<T>(&mut self, tx: Transaction, outcome: Result<T>) -> Result<Option<T>> {
        let (error, again) = match outcome {
            Err(error) => (error, tx.wants_another_run()),
            Ok(value) => {
                let required = tx.required().clone();
                let Err(error) = tx.commit().await else { return Ok(Some(value)) };
                let again = match error.kind() {
                    ErrorKind::Conflict => !required.has_failed(&error),
                    kind => kind == ErrorKind::Unavailable,
                };
                (error, again)
            }
        };
        match self.0.next() {
            Some(pause) if again => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
        Ok(None)
    }
}
