//! What a caller can choose.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Where a new consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With what is written from now on.
    #[default]
    Head,
    /// With the oldest change that the store still keeps.
    Oldest,
}

/// How a consumer is subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// Where it begins.
    pub start: Start,
    /// How many dead letters it may have before it stops; 1,000 unless said otherwise.
    pub max_dead: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { start: Start::Head, max_dead: 1_000 }
    }
}

impl SubscribeOptions {
    /// The same with another [`start`](Self::start).
    #[must_use]
    pub const fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The same with another [`max_dead`](Self::max_dead).
    #[must_use]
    pub const fn with_max_dead(mut self, max_dead: usize) -> Self {
        self.max_dead = max_dead;
        self
    }
}

/// How changes are handed to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowOptions {
    /// Whether to end at the head as it is at the beginning, in place of waiting for
    /// further changes.
    pub until_head: bool,
    /// Most changes of one batch; 100 unless said otherwise.
    pub max_items: NonZeroUsize,
    /// Most bytes of the documents of one batch; 4 MiB unless said otherwise. A change
    /// that is larger comes alone.
    pub max_bytes: usize,
    /// How long a batch that is not full waits for further changes; not at all unless
    /// said otherwise.
    pub max_wait: Duration,
    /// How long to wait at the head before looking again; 200 ms unless said otherwise.
    pub poll: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            until_head: false,
            max_items: NonZeroUsize::MIN.saturating_add(99),
            max_bytes: 4 * 1024 * 1024,
            max_wait: Duration::ZERO,
            poll: Duration::from_millis(200),
        }
    }
}

impl FollowOptions {
    /// Ends at the head as it is at the beginning.
    #[must_use]
    pub const fn until_head(mut self) -> Self {
        self.until_head = true;
        self
    }

    /// The same with another [`max_items`](Self::max_items).
    #[must_use]
    pub const fn with_max_items(mut self, max_items: NonZeroUsize) -> Self {
        self.max_items = max_items;
        self
    }

    /// The same with another [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The same with another [`max_wait`](Self::max_wait).
    #[must_use]
    pub const fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// The same with another [`poll`](Self::poll).
    #[must_use]
    pub const fn with_poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }
}
