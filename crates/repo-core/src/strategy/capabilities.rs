//! What a strategy can do, known before anything is sent to it.

use crate::strategy::LevelCosts;

/// The limits and features of one opened store.
///
/// ```
/// use repo_core::strategy::Capabilities;
///
/// let capabilities = Capabilities::new(400_000).with_durable(true).with_indexes(true);
/// assert!(capabilities.durable && !capabilities.read_only);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Most keys in one commit, `None` for no limit. May be lower while changes are
    /// captured, as far as the handle knows of that (DynamoDB: 50, else 100).
    pub max_commit_keys: Option<usize>,
    /// Most document bytes in one commit, `None` for no limit.
    pub max_commit_bytes: Option<usize>,
    /// Most bytes of one document by the size formula of
    /// [`Document::size`](crate::Document::size).
    pub max_entity_bytes: usize,
    /// Whether an acknowledged commit survives the end of the process.
    pub durable: bool,
    /// Whether several processes may use the store at once.
    pub multi_process: bool,
    /// Most segments into which a scan can be divided.
    pub max_scan_segments: usize,
    /// Whether a segment costs its share of the whole scan. Where it does not,
    /// each segment passes over every id, and one scan of everything is quicker
    /// than its segments side by side.
    pub parallel_scan: bool,
    /// Whether [`prepare_for_load`](crate::strategy::StorageStrategy::prepare_for_load)
    /// leaves indexes to the next `prepare`.
    pub indexes_after_load: bool,
    /// Whether indexed queries avoid reading the whole collection.
    pub indexes: bool,
    /// Whether the store groups by itself in [`aggregate`] what it can group exactly; the
    /// answer says whether it did. Where it does not, each entity that may match is read.
    ///
    /// [`aggregate`]: crate::strategy::StorageStrategy::aggregate
    pub aggregates: bool,
    /// Whether the store was opened for reading only.
    pub read_only: bool,
    /// Whether a change feed is offered (`changes`).
    pub changes: bool,
    /// Whether the history of collections can be kept (`older_versions`).
    pub history: bool,
    /// Whether writers can be fenced off ([`StoreUpdate::Role`](crate::strategy::StoreUpdate)).
    pub fence: bool,
    /// For how many milliseconds at most `get` and `get_many` may not see what other
    /// handles wrote, because something around the store keeps what was read. `None`: for
    /// none. What this handle wrote they always see, and
    /// [`strong_reads`](crate::strategy::strong_reads) see everything.
    pub max_read_age_ms: Option<u64>,
    /// What reads of each level of consistency cost.
    pub levels: LevelCosts,
}

impl Capabilities {
    /// A store without limits but this one, scanned in one segment, and without
    /// any of the features.
    #[must_use]
    pub const fn new(max_entity_bytes: usize) -> Self {
        Self {
            max_commit_keys: None,
            max_commit_bytes: None,
            max_entity_bytes,
            durable: false,
            multi_process: false,
            max_scan_segments: 1,
            parallel_scan: false,
            indexes_after_load: false,
            indexes: false,
            aggregates: false,
            read_only: false,
            changes: false,
            history: false,
            fence: false,
            max_read_age_ms: None,
            levels: LevelCosts::STRONG,
        }
    }

    /// The same with another [`max_commit_keys`](Self::max_commit_keys).
    #[must_use]
    pub const fn with_max_commit_keys(mut self, max_commit_keys: Option<usize>) -> Self {
        self.max_commit_keys = max_commit_keys;
        self
    }

    /// The same with another [`max_commit_bytes`](Self::max_commit_bytes).
    #[must_use]
    pub const fn with_max_commit_bytes(mut self, max_commit_bytes: Option<usize>) -> Self {
        self.max_commit_bytes = max_commit_bytes;
        self
    }

    /// The same with another [`max_entity_bytes`](Self::max_entity_bytes).
    #[must_use]
    pub const fn with_max_entity_bytes(mut self, max_entity_bytes: usize) -> Self {
        self.max_entity_bytes = max_entity_bytes;
        self
    }

    /// The same with another [`durable`](Self::durable).
    #[must_use]
    pub const fn with_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// The same with another [`multi_process`](Self::multi_process).
    #[must_use]
    pub const fn with_multi_process(mut self, multi_process: bool) -> Self {
        self.multi_process = multi_process;
        self
    }

    /// The same with another [`max_scan_segments`](Self::max_scan_segments).
    #[must_use]
    pub const fn with_max_scan_segments(mut self, max_scan_segments: usize) -> Self {
        self.max_scan_segments = max_scan_segments;
        self
    }

    /// The same with another [`parallel_scan`](Self::parallel_scan).
    #[must_use]
    pub const fn with_parallel_scan(mut self, parallel_scan: bool) -> Self {
        self.parallel_scan = parallel_scan;
        self
    }

    /// The same with another [`indexes_after_load`](Self::indexes_after_load).
    #[must_use]
    pub const fn with_indexes_after_load(mut self, indexes_after_load: bool) -> Self {
        self.indexes_after_load = indexes_after_load;
        self
    }

    /// The same with another [`indexes`](Self::indexes).
    #[must_use]
    pub const fn with_indexes(mut self, indexes: bool) -> Self {
        self.indexes = indexes;
        self
    }

    /// The same with another [`aggregates`](Self::aggregates).
    #[must_use]
    pub const fn with_aggregates(mut self, aggregates: bool) -> Self {
        self.aggregates = aggregates;
        self
    }

    /// The same with another [`read_only`](Self::read_only).
    #[must_use]
    pub const fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The same with another [`changes`](Self::changes).
    #[must_use]
    pub const fn with_changes(mut self, changes: bool) -> Self {
        self.changes = changes;
        self
    }

    /// The same with another [`history`](Self::history).
    #[must_use]
    pub const fn with_history(mut self, history: bool) -> Self {
        self.history = history;
        self
    }

    /// The same with another [`fence`](Self::fence).
    #[must_use]
    pub const fn with_fence(mut self, fence: bool) -> Self {
        self.fence = fence;
        self
    }

    /// The same with another [`max_read_age_ms`](Self::max_read_age_ms).
    #[must_use]
    pub const fn with_max_read_age_ms(mut self, max_read_age_ms: Option<u64>) -> Self {
        self.max_read_age_ms = max_read_age_ms;
        self
    }

    /// The same with other [`levels`](Self::levels).
    #[must_use]
    pub const fn with_levels(mut self, levels: LevelCosts) -> Self {
        self.levels = levels;
        self
    }
}
