//! What a strategy can do, known before anything is sent to it.

/// The limits and features of one opened store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Capabilities {
    /// Most keys in one commit, `None` for no limit.
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
    /// Whether the store was opened for reading only.
    pub read_only: bool,
    /// Whether a change feed is offered (`changes`).
    pub changes: bool,
    /// Whether writers can be fenced off by the epoch (`fence`).
    pub fence: bool,
}
