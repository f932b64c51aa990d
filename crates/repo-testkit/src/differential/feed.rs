//! The change feed of a store, in a form that two stores can be compared by.

use std::num::NonZeroUsize;

use repo_core::Result;
use repo_core::strategy::{CaptureHolder, FeedPosition, RecordChange, StoreUpdate};

use super::answer::{Answer, failed};
use crate::Store;

/// Changes that one call asks for: fewer than most histories make.
const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(6);

/// How far a store's feed was read.
#[derive(Debug, Default)]
pub(super) struct Reader(Option<FeedPosition>);

impl Reader {
    /// Everything since the last read, by key and version: stores agree on nothing
    /// between keys. After an error it begins with the oldest change.
    pub(super) async fn read(&mut self, store: &Store) -> Answer {
        match self.all(store).await {
            Ok(mut changes) => {
                changes.sort_by(|a, b| (&a.key, a.version).cmp(&(&b.key, b.version)));
                Answer::Changes(changes.into_iter().map(comparable).collect())
            }
            Err(error) => {
                self.0 = None;
                failed(&error)
            }
        }
    }

    async fn all(&mut self, store: &Store) -> Result<Vec<RecordChange>> {
        let mut all: Vec<RecordChange> = Vec::new();
        loop {
            let mut found = store.changes(self.0.as_ref(), PAGE).await?;
            self.0 = Some(found.next);
            if found.changes.is_empty() {
                assert_eq!(self.0, Some(store.head().await?), "the end is not the head");
                return Ok(all);
            }
            all.append(&mut found.changes);
        }
    }

    /// Removes what was read.
    pub(super) async fn trim(&mut self, store: &Store) -> Answer {
        let Some(position) = &self.0 else { return Answer::Done };
        match store.trim_changes(position).await {
            Ok(()) => Answer::Done,
            Err(error) => {
                self.0 = None;
                failed(&error)
            }
        }
    }
}

/// A change without its position, which is each store's own.
fn comparable(change: RecordChange) -> super::answer::Change {
    let RecordChange { key, version, deleted, record, exact, .. } = change;
    (key, version, deleted, record, exact)
}

/// Switches capture on or off.
pub(super) fn capture(on: bool) -> Result<StoreUpdate> {
    let holder = CaptureHolder::new("test", "differential")?;
    Ok(if on { StoreUpdate::HoldCapture(holder) } else { StoreUpdate::ReleaseCapture(holder) })
}
