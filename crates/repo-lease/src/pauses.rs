//! Pauses between attempts: growing, capped, with jitter.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::ttl::LeaseTtl;

/// Where others write the same records at the same moment: some seconds in all.
pub(crate) fn contention() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(1))
        .with_max_delay(Duration::from_millis(250))
        .with_max_times(16)
        .with_jitter()
        .build()
}

/// Where others hold the lease: without end.
pub(crate) fn waiting() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(500))
        .without_max_times()
        .with_jitter()
        .build()
}

/// Where a renewal failed: several times before the lease may be taken over.
pub(crate) fn renewing(ttl: LeaseTtl) -> ExponentialBackoff {
    let ttl = ttl.as_duration();
    ExponentialBuilder::default()
        .with_min_delay(ttl / 50)
        .with_max_delay(ttl / 10)
        .without_max_times()
        .with_jitter()
        .build()
}
