//! Trying again what failed in a way that passes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use repo_core::strategy::{RecordStream, ScanOptions};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::refusal::{positive, refuse};
use crate::{Inner, Layer, Operation, OperationClass, OperationKind, operations as op};

/// Is told of each attempt that failed and is made again.
type Notify = Arc<dyn Fn(&Retry<'_>) + Send + Sync>;

/// Repeats what failed and was not applied.
///
/// Repeated are, after pauses that grow:
/// - every operation that was `Unavailable`: by the contract nothing was applied;
/// - a read whose outcome is unknown, since it changes nothing.
///
/// A write with `OutcomeUnknown` is **never** repeated. It may have been
/// applied, and a second one would be one too many: the caller has to read
/// first. Every other error stands, since the same call would fail again. So
/// does every error of `close`, and of a deep check of the store's health, whose
/// progress would be told twice.
///
/// A scan is repeated while it has not yielded anything, and not after that: the
/// caller has the first records already. Repeating an `apply` may answer
/// `Equal` for records that an earlier attempt wrote.
///
/// The error of the last attempt says how many there were, as `attempts`.
#[derive(Debug, Clone)]
pub struct RetryLayer(Arc<Policy>);

#[derive(Clone)]
struct Policy {
    max_attempts: u32,
    pauses: ExponentialBuilder,
    notify: Option<Notify>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("max_attempts", &self.max_attempts)
            .field("pauses", &self.pauses)
            .finish_non_exhaustive()
    }
}

/// An attempt that failed and is made again after a pause.
#[derive(Debug)]
#[non_exhaustive]
pub struct Retry<'a> {
    /// The operation.
    pub kind: OperationKind,
    /// Which attempt failed, from 1.
    pub attempt: u32,
    /// Why.
    pub error: &'a Error,
    /// How long the pause is.
    pub pause: Duration,
}

impl RetryLayer {
    /// Attempts in all, unless said otherwise.
    pub const MAX_ATTEMPTS: u32 = 4;
    /// The first pause at its longest, unless said otherwise.
    pub const MIN_DELAY: Duration = Duration::from_millis(20);
    /// The longest pause, unless said otherwise.
    pub const MAX_DELAY: Duration = Duration::from_secs(2);

    /// At most `max_attempts` attempts in all, 2 or more. Pauses double from
    /// `min_delay` to `max_delay`; each is drawn from the upper half of its
    /// length, so that callers who failed together do not come back together.
    ///
    /// # Errors
    /// `ConfigInvalid` for fewer than 2 attempts, for a delay of 0, and for a
    /// `min_delay` above `max_delay`.
    pub fn new(max_attempts: u32, min_delay: Duration, max_delay: Duration) -> Result<Self> {
        if max_attempts < 2 {
            return Err(refuse("max_attempts counts the first attempt too, so it is 2 or more")
                .with("max_attempts", max_attempts));
        }
        positive("min_delay", min_delay)?;
        if min_delay > max_delay {
            return Err(refuse("the shortest pause is longer than the longest")
                .with("min_delay_ms", min_delay.as_millis())
                .with("max_delay_ms", max_delay.as_millis()));
        }
        // The builder adds up to as much again.
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(min_delay / 2)
            .with_max_delay(max_delay / 2)
            .without_max_times();
        Ok(Self(Arc::new(Policy { max_attempts, pauses, notify: None })))
    }

    /// Tells `notify` of each attempt that is made again, before the pause. It
    /// must return quickly.
    #[must_use]
    pub fn notify(self, notify: impl Fn(&Retry<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Policy { notify: Some(Arc::new(notify)), ..Policy::clone(&self.0) }))
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Self::MIN_DELAY / 2)
            .with_max_delay(Self::MAX_DELAY / 2)
            .without_max_times();
        Self(Arc::new(Policy { max_attempts: Self::MAX_ATTEMPTS, pauses, notify: None }))
    }
}

/// Whether an operation that failed so may be done again.
fn may_repeat(kind: OperationKind, error: &Error) -> bool {
    if kind.class() == OperationClass::Close || kind == OperationKind::DeepHealth {
        return false;
    }
    match error.kind() {
        ErrorKind::Unavailable => true,
        ErrorKind::OutcomeUnknown => kind.only_reads(),
        _ => false,
    }
}

/// The attempts at one operation.
struct Attempts {
    policy: Arc<Policy>,
    kind: OperationKind,
    /// That were begun.
    made: u32,
    pauses: Option<ExponentialBackoff>,
}

impl Attempts {
    fn new(policy: &Arc<Policy>, kind: OperationKind) -> Self {
        Self { policy: Arc::clone(policy), kind, made: 0, pauses: None }
    }

    /// Begins one, and says whether it is the last.
    fn begin(&mut self) -> bool {
        self.made += 1;
        self.made >= self.policy.max_attempts
    }

    /// Waits before the next attempt, or gives the error back where there is
    /// none.
    async fn wait(&mut self, error: Error) -> Result<()> {
        if self.made >= self.policy.max_attempts || !may_repeat(self.kind, &error) {
            return Err(self.count_in(error));
        }
        let pauses = self.pauses.get_or_insert_with(|| self.policy.pauses.build());
        let Some(pause) = pauses.next() else { return Err(self.count_in(error)) };
        if let Some(notify) = &self.policy.notify {
            notify(&Retry { kind: self.kind, attempt: self.made, error: &error, pause });
        }
        #[cfg(feature = "metrics")]
        crate::metric::count_retry(self.kind);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// What several attempts came to says how many there were.
    fn count_in(&self, error: Error) -> Error {
        if self.made > 1 { error.with("attempts", self.made) } else { error }
    }
}

impl Layer for RetryLayer {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output> {
        let mut attempts = Attempts::new(&self.0, operation.kind());
        loop {
            // The last one is given the arguments themselves.
            if attempts.begin() {
                let done = operation.run(&**inner).await;
                return done.map_err(|error| attempts.count_in(error));
            }
            match operation.clone().run(&**inner).await {
                Err(error) => attempts.wait(error).await?,
                done => return done,
            }
        }
    }

    async fn scan(
        &self,
        inner: &Inner,
        collection: &CollectionName,
        options: ScanOptions,
    ) -> Result<RecordStream> {
        let (inner, collection) = (Arc::clone(inner), collection.clone());
        let open = move || {
            let (inner, collection) = (Arc::clone(&inner), collection.clone());
            async move { op::Scan { collection: &collection, options }.run(&*inner).await }.boxed()
        };
        opened(Attempts::new(&self.0, OperationKind::Scan), open).await
    }
}

/// A stream that is opened again as long as it fails before its first item.
async fn opened<F>(mut attempts: Attempts, open: F) -> Result<RecordStream>
where
    F: Fn() -> BoxFuture<'static, Result<RecordStream>> + Send + Sync + 'static,
{
    let mut records = reopened(&mut attempts, &open).await?;
    let first = async move {
        loop {
            match records.next().await {
                Some(Err(error)) => {
                    if let Err(error) = attempts.wait(error).await {
                        return (Some(Err(error)), records);
                    }
                    match reopened(&mut attempts, &open).await {
                        Ok(again) => records = again,
                        Err(error) => return (Some(Err(error)), stream::empty().boxed()),
                    }
                }
                first => return (first, records),
            }
        }
    };
    let whole = stream::once(first).map(|(first, rest)| stream::iter(first).chain(rest));
    Ok(whole.flatten().fuse().boxed())
}

async fn reopened(
    attempts: &mut Attempts,
    open: &(impl Fn() -> BoxFuture<'static, Result<RecordStream>> + Sync),
) -> Result<RecordStream> {
    loop {
        attempts.begin();
        match open().await {
            Err(error) => attempts.wait(error).await?,
            opened => return opened,
        }
    }
}
