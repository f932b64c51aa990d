//! Trying again what DynamoDB asks to be tried again: throttled requests and
//! items that it left unprocessed.

use std::future::Future;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use repo_core::Result;

use crate::errors::Failure;

/// How long a request waits for a throttled table, in sum.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const FIRST_DELAY: Duration = Duration::from_millis(20);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
const SHORTEST_TURN: Duration = Duration::from_millis(5);
const LONGEST_TURN: Duration = Duration::from_millis(100);

/// Makes `attempt` again, with growing jittered delays, while it fails in a
/// way that passes, until `patience` is spent, by pauses or by slow answers.
pub(crate) async fn patiently<T, F, Fut>(patience: Duration, attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    let start = Instant::now();
    attempt
        .retry(backoff(patience))
        .when(|failure: &Failure| failure.again && start.elapsed() < patience)
        .await
        .map_err(|failure| failure.error)
}

/// The delays of a writer that others were faster than: short ones, so that the
/// one that waits longest has its turn.
pub(crate) fn contention(patience: Duration) -> ExponentialBuilder {
    backoff(patience).with_min_delay(SHORTEST_TURN).with_max_delay(LONGEST_TURN)
}

/// The delays between attempts, `patience` in sum.
pub(crate) fn backoff(patience: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .without_max_times()
        .with_total_delay(Some(patience))
}
