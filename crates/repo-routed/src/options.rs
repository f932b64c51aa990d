//! How long a router waits.

use std::time::Duration;

/// How long a [`RoutedStrategy`](crate::RoutedStrategy) trusts what it knows, and how long
/// it holds what is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutingOptions {
    /// How long an operation waits for a move to end. Longer than a fence may last, so that
    /// a move which is at work is not met by an error. 10 seconds.
    pub patience: Duration,
}

impl RoutingOptions {
    /// How long a store that said it is the authority may be read, counted from before it was
    /// asked. A live migration waits longer than this before it decides. 1 second.
    pub const LEASE: Duration = Duration::from_secs(1);
    /// After how long it is asked again, while there are reads. 250 milliseconds.
    pub(crate) const RENEW_AFTER: Duration = Duration::from_millis(250);
    /// How often a store that is being moved is asked whether that has ended.
    pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(25);

    /// The same with another [`patience`](Self::patience).
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Default for RoutingOptions {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10) }
    }
}
