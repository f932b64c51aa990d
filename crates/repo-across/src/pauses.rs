//! Pauses between attempts: growing, capped, with jitter, some seconds in all.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Where another process is at work on the same records, or a store does not answer.
pub(crate) fn contention() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(250))
        .with_max_times(14)
        .with_jitter()
        .build()
}
