//! Reporting to the caller how far a run is.

pub(crate) mod counting;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use repo_core::CollectionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a run. They come in this order; a run may leave some out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading the source, checking every record against the target, and
    /// comparing with what the target holds.
    Check,
    /// Writing the archive of the source, and of the target where records of
    /// it will change. Into an empty target this happens while checking, and
    /// the phase is named `Backup` alone.
    Backup,
    /// Reading the archives back.
    BackupCheck,
    /// Writing the blobs that the records are about to the target.
    Blobs,
    /// Writing to the target.
    Copy,
    /// Writing older versions to the target, and what belongs to them; left out where
    /// there are none to carry over.
    History,
    /// Making indexes of the target from what was written; left out where the
    /// store makes them while it is filled.
    Index,
    /// Writing upgraded documents where they are.
    Upgrade,
    /// Reading both sides again and comparing them.
    Verify,
    /// Comparing blobs with the records; also before they are copied.
    BlobCheck,
    /// Carrying over what programs write meanwhile.
    Follow,
    /// Removing from the source what was verified.
    CleanUp,
}

impl Phase {
    /// Words for a progress bar.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Check => "checking",
            Self::Backup => "backing up",
            Self::BackupCheck => "checking the backup",
            Self::Blobs => "copying blobs",
            Self::Copy => "copying",
            Self::History => "copying the history",
            Self::Index => "making indexes",
            Self::Upgrade => "upgrading",
            Self::Verify => "verifying",
            Self::BlobCheck => "checking blobs",
            Self::Follow => "following",
            Self::CleanUp => "cleaning up the source",
        }
    }

    /// What it goes over.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Blobs | Self::BlobCheck => "blobs",
            _ => "records",
        }
    }
}

/// Watches a run, and can end it. Called from the task that runs it; must return quickly.
pub trait Progress: Send + Sync {
    /// A phase begins. `total` is how many records it will go over, an
    /// estimate from the live entities that the stores count (tombstones come
    /// on top); `None` when that is unknown.
    fn phase(&self, phase: Phase, total: Option<u64>);

    /// `records` more of a collection are done in this phase.
    fn advance(&self, collection: &CollectionName, records: u64);

    /// Something the operator should know; it is in the report as well.
    fn warning(&self, _text: &str) {}

    /// Is ready when the run is to end before it is done: batches that are
    /// being written are then finished and counted, and nothing more is begun.
    /// Once ready, it is ready whenever it is asked again.
    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Whether the run is to end before it is done.
    fn is_stopped(&self) -> bool {
        self.stopped().now_or_never().is_some()
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _phase: Phase, _total: Option<u64>) {}
    fn advance(&self, _collection: &CollectionName, _records: u64) {}
}
