//! What a caller may choose.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How [`start`](super::start) works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveOptions {
    /// Records that are read and written together. 500.
    pub batch_size: NonZeroUsize,
    /// Most records a second that are copied; `None` for no limit.
    pub rate_limit: Option<NonZeroUsize>,
    /// Batches of the copy that are written at a time, at most; fewer while the target refuses
    /// some. 4.
    pub workers: NonZeroUsize,
    /// The copy and the following go at half their rate when the authority takes so many times
    /// as long to answer a small read as it did in the beginning (nearly always, of the last 20
    /// reads), and at half of that if it goes on; they come back by the same steps. A number
    /// above 1; `None` for never. 2.
    pub max_load: Option<f64>,
    /// How long to wait before a feed that has ended is read again. 50 milliseconds.
    pub poll: Duration,
    /// How often both stores are compared while changes are followed. A switch needs a
    /// comparison of the last 24 hours. 1 hour.
    pub verify_every: Duration,
    /// How long the run waits for a store that is away, in sum, before it ends with the error.
    /// 5 minutes.
    pub patience: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            batch_size: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
            rate_limit: None,
            workers: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            max_load: Some(2.0),
            poll: Duration::from_millis(50),
            verify_every: Duration::from_secs(3_600),
            patience: Duration::from_secs(300),
        }
    }
}

/// How [`switch`](super::switch) and [`back`](super::back) work.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SwitchOptions {
    /// How long writers may wait before the switch is cancelled. 5 seconds.
    pub max_pause: Duration,
    /// Only says whether the switch could be made, and changes nothing.
    pub dry_run: bool,
}

impl SwitchOptions {
    /// The same with another [`max_pause`](Self::max_pause).
    #[must_use]
    pub const fn with_max_pause(mut self, max_pause: Duration) -> Self {
        self.max_pause = max_pause;
        self
    }

    /// The same with another [`dry_run`](Self::dry_run).
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

impl Default for SwitchOptions {
    fn default() -> Self {
        Self { max_pause: Duration::from_secs(5), dry_run: false }
    }
}
