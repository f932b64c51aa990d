//! Places at which a test can stop the store, make a call fail, or look at the
//! folder. Outside tests there is nothing behind them.

use std::io;

/// A place in the work of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Before a frame is written to the journal.
    AppendFrame,
    /// Before the journal is synced after a frame.
    SyncFrame,
    /// Before the journal is cut back after a failed write.
    CutBack,
    /// Before frames are synced that were found in the journal.
    SyncFound,
    /// Before the folder is synced whose files another process may have named.
    SyncNames,
    /// What a checkpoint writes of one history stands complete.
    HistoryWritten,
    /// The files of a checkpoint stand complete beside the old ones.
    FilesWritten,
    /// The copies of the old data files were made.
    BackedUp,
    /// The checkpoint frame is durable.
    FramePublished,
    /// One of the new files took its place.
    Renamed,
    /// All of them did, durably.
    AllRenamed,
    /// The files that are kept under other names now are gone from the old ones, durably.
    Removed,
    /// The journal is kept for the change feed under its second name, durably.
    Kept,
    /// The fresh journal stands beside the old one.
    JournalWritten,
    /// The fresh journal took its place.
    Finished,
}

/// What happens at the steps.
#[derive(Default, Clone)]
pub(crate) struct Hooks {
    #[cfg(test)]
    pub(crate) at: Option<std::sync::Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>>,
    #[cfg(test)]
    pub(crate) syncs: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

#[cfg_attr(not(test), allow(clippy::unused_self, clippy::unnecessary_wraps))]
impl Hooks {
    /// Called at each step.
    pub(crate) fn step(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        if let Some(at) = &self.at {
            return at(step);
        }
        let _ = step;
        Ok(())
    }

    /// Called for each sync of a frame.
    pub(crate) fn count_sync(&self) {
        #[cfg(test)]
        self.syncs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}
