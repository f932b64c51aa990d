//! What is counted, for the recorder that the program installed with the `metrics` crate.

use std::time::Duration;

/// Whether anything is counted.
pub(super) const ENABLED: bool = cfg!(feature = "metrics");

/// The copy has brought so many records to the target.
pub(super) fn copied(records: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("repository_live_copied_records_total").increment(records);
    #[cfg(not(feature = "metrics"))]
    let _ = records;
}

/// So many changes were carried over.
pub(super) fn carried(changes: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!("repository_live_carried_changes_total").increment(changes);
    #[cfg(not(feature = "metrics"))]
    let _ = changes;
}

/// The first change that is still to be carried over was written so long ago.
pub(super) fn behind(seconds: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("repository_live_behind_seconds").set(seconds);
    #[cfg(not(feature = "metrics"))]
    let _ = seconds;
}

/// The rate is so many times lower than it could be.
pub(super) fn slower(times: u32) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("repository_live_slowdown").set(f64::from(times));
    #[cfg(not(feature = "metrics"))]
    let _ = times;
}

/// Programs waited so long in a switch.
pub(super) fn paused(pause: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("repository_live_pause_seconds").record(pause.as_secs_f64());
    #[cfg(not(feature = "metrics"))]
    let _ = pause;
}
