//! A version of a record as a history knows it, and who wrote it.

use repo_core::strategy::{OlderState, OlderVersion, Record};
use repo_core::{Attribution, EntityId, Timestamp, Version};

/// A version of a record: an older one, or the stored one of which it is known who wrote
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastVersion {
    pub(crate) id: EntityId,
    pub(crate) version: Version,
    pub(crate) updated_at: Timestamp,
    /// What an older version was. `None` for the stored one, which is in its record.
    pub(crate) state: Option<OlderState>,
    /// Who wrote it, and why, where somebody said so.
    pub(crate) by: Option<Attribution>,
}

impl PastVersion {
    /// An older version.
    pub(crate) fn older(older: OlderVersion, by: Option<Attribution>) -> Self {
        let OlderVersion { id, version, updated_at, state, .. } = older;
        Self { id, version, updated_at, state: Some(state), by }
    }

    /// The stored version.
    pub(crate) fn stored(stored: StoredVersion, by: Attribution) -> Self {
        let StoredVersion { id, version, updated_at } = stored;
        Self { id, version, updated_at, state: None, by: Some(by) }
    }

    /// The older version, if it is one.
    pub(crate) fn to_older(&self) -> Option<OlderVersion> {
        let state = self.state.clone()?;
        Some(OlderVersion::new(self.id.clone(), self.version, self.updated_at, state))
    }

    /// Whether both were the same; who wrote them does not count.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        match (&self.state, &other.state) {
            (
                Some(OlderState::Live { document: ours, .. }),
                Some(OlderState::Live { document: theirs, .. }),
            ) => ours.equals(theirs),
            (ours, theirs) => ours == theirs,
        }
    }

    /// Bytes of its document.
    pub(crate) fn bytes(&self) -> usize {
        match &self.state {
            Some(OlderState::Live { document, .. }) => document.size(),
            _ => 0,
        }
    }

    /// Whether it says anything of the record but that it was there.
    pub(crate) fn has_content(&self) -> bool {
        matches!(self.state, Some(OlderState::Live { .. })) || self.by.is_some()
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.state == Some(OlderState::Removed)
    }
}

/// Which version of a record is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredVersion {
    pub(crate) id: EntityId,
    pub(crate) version: Version,
    pub(crate) updated_at: Timestamp,
}

/// Those of records, in their order.
pub(crate) fn stored_versions(records: &[Record]) -> Vec<StoredVersion> {
    let of = |record: &Record| StoredVersion {
        id: record.id().clone(),
        version: record.version(),
        updated_at: record.updated_at(),
    };
    records.iter().map(of).collect()
}
