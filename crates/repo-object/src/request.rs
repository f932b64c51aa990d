//! What the writer is asked for, and what it answers.

use repo_core::strategy::{
    Applied, FeedPosition, Prepared, Purged, Record, StoreId, StoreRecord, StoreUpdate,
    SystemWrite, VersionWrite,
};
use repo_core::{Change, CollectionName, CollectionSchema, Result, Timestamp, Write, Written};
use tokio::sync::oneshot;

/// What a frame is asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Commit(Vec<Write>),
    Apply(Vec<Record>),
    Update(Box<StoreUpdate>),
    Trim(FeedPosition),
    Items(Vec<SystemWrite>),
    /// With an id for a store that has none yet.
    Prepare(Vec<CollectionSchema>, StoreId),
    Versions(CollectionName, Vec<VersionWrite>),
    Purge(CollectionName, Timestamp),
    /// A frame, whatever is in it.
    Frame,
}

/// The answer, of the same kind.
#[derive(Debug)]
pub(crate) enum Answer {
    Written(Vec<Written>),
    Applied(Vec<Applied>),
    Record(Box<StoreRecord>),
    Prepared(Vec<Prepared>),
    Purged(Purged),
    Done,
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) asked: Asked,
    pub(crate) reply: oneshot::Sender<Result<Answer>>,
}

impl Asked {
    /// Whether it shares a frame with others.
    pub(crate) fn shares(&self) -> bool {
        matches!(
            self,
            Self::Commit(_) | Self::Apply(_) | Self::Update(_) | Self::Trim(_) | Self::Items(_)
        )
    }

    /// Bytes of its documents.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Commit(writes) => bytes_of(writes),
            Self::Apply(records) => {
                records.iter().filter_map(Record::document).map(|d| d.as_str().len()).sum()
            }
            _ => 0,
        }
    }
}

/// Bytes of the documents of a commit.
pub(crate) fn bytes_of(writes: &[Write]) -> usize {
    let document = |write: &Write| match &write.change {
        Change::Put(document) => document.as_str().len(),
        _ => 0,
    };
    writes.iter().map(document).sum()
}
