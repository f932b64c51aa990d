//! What a line of an object says. Times are microseconds since 1970.

use std::num::NonZeroU32;

use repo_core::strategy::{Capture, HistoryState, RoleState, StoreId, UnfinishedJob};
use repo_core::{Attribution, CollectionName, EntityId, Version};
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use crate::hex::Hex16;

/// One line: a change of the state, or what frames it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    /// In the index of a run: a frame of the log begins here.
    Frame { number: u64, commit: Hex16 },
    /// A live record.
    Put(PutOp),
    /// A tombstone.
    Delete(DeleteOp),
    /// A collection was made, or its schema changed.
    Prepare(PrepareOp),
    /// A floor was raised.
    Floor {
        #[serde(rename = "c")]
        collection: CollectionName,
        floor: u64,
    },
    /// Tombstones written before a moment were removed.
    Purge {
        #[serde(rename = "c")]
        collection: CollectionName,
        older_than: i64,
    },
    /// The store was given an id.
    Id(StoreId),
    /// The store took a step of its role.
    Role(RoleState),
    /// The unfinished job was set or cleared.
    Job(Option<UnfinishedJob>),
    /// Who needs the changes of the store, and up to which one they were removed.
    Capture { capture: Capture, trimmed: u64 },
    /// The number of the last change that was captured.
    Changes { head: u64 },
    /// An item of the engine's own was set, or removed.
    Item { of: String, key: String, value: Option<String> },
    /// The history of a collection began, changed its state, or ended.
    History {
        #[serde(rename = "c")]
        collection: CollectionName,
        history: Option<HistoryState>,
    },
    /// What is kept of an older version.
    Older(OlderOp),
    /// Who wrote a version; nothing: nobody knows.
    By(ByOp),
    /// A change that is kept for the feed when its frame is not any more.
    Change(ChangeOp),
    /// Nothing. A frame of it alone makes a number of its own.
    Nothing,
    /// What a checkpoint is made of.
    Manifest(Manifest),
    /// The last line: how many there are before it, and their checksum.
    End { lines: u64, crc: u32 },
}

/// Where the text of a document is, and what it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text {
    /// Bytes of the text.
    #[serde(rename = "l")]
    pub(crate) len: NonZeroU32,
    /// The first half of the digest of the document.
    #[serde(rename = "h")]
    pub(crate) digest: Hex16,
    /// The part of the run and the byte in it where it begins. In the log it is the line
    /// that follows.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<(u32, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutOp {
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    #[serde(rename = "i")]
    pub(crate) id: EntityId,
    #[serde(rename = "v")]
    pub(crate) version: Version,
    #[serde(rename = "t")]
    pub(crate) created_at: i64,
    #[serde(rename = "u")]
    pub(crate) updated_at: i64,
    #[serde(rename = "d")]
    pub(crate) text: Text,
    /// The number of the change, where it was captured.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeleteOp {
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    #[serde(rename = "i")]
    pub(crate) id: EntityId,
    #[serde(rename = "v")]
    pub(crate) version: Version,
    #[serde(rename = "u")]
    pub(crate) deleted_at: i64,
    /// The number of the change, where it was captured.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrepareOp {
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    pub(crate) schema_version: u32,
    pub(crate) id_field: String,
    /// A fingerprint of the id field and the indexes.
    pub(crate) shape: Hex16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OlderOp {
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    #[serde(rename = "i")]
    pub(crate) id: EntityId,
    #[serde(rename = "v")]
    pub(crate) version: Version,
    #[serde(rename = "u")]
    pub(crate) updated_at: i64,
    #[serde(rename = "w")]
    pub(crate) was: WasOp,
}

/// What is known of an older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WasOp {
    Live {
        #[serde(rename = "t")]
        created_at: i64,
        #[serde(rename = "d")]
        text: Text,
    },
    Deleted,
    Removed,
    /// Not even that it was there.
    Forgotten,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ByOp {
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    #[serde(rename = "i")]
    pub(crate) id: EntityId,
    #[serde(rename = "v")]
    pub(crate) version: Version,
    pub(crate) by: Option<Attribution>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeOp {
    #[serde(rename = "n")]
    pub(crate) number: u64,
    #[serde(rename = "c")]
    pub(crate) collection: CollectionName,
    #[serde(rename = "i")]
    pub(crate) id: EntityId,
    #[serde(rename = "v")]
    pub(crate) version: Version,
    pub(crate) deleted: bool,
}

impl Op {
    /// The document that belongs to it.
    pub(crate) fn text(&self) -> Option<&Text> {
        match self {
            Self::Put(put) => Some(&put.text),
            Self::Older(OlderOp { was: WasOp::Live { text, .. }, .. }) => Some(text),
            _ => None,
        }
    }

    /// The same.
    pub(crate) fn text_mut(&mut self) -> Option<&mut Text> {
        match self {
            Self::Put(put) => Some(&mut put.text),
            Self::Older(OlderOp { was: WasOp::Live { text, .. }, .. }) => Some(text),
            _ => None,
        }
    }

    /// The collection whose records it changes.
    pub(crate) fn collection(&self) -> Option<&CollectionName> {
        match self {
            Self::Put(PutOp { collection, .. })
            | Self::Delete(DeleteOp { collection, .. })
            | Self::Prepare(PrepareOp { collection, .. })
            | Self::Floor { collection, .. }
            | Self::Purge { collection, .. }
            | Self::History { collection, .. }
            | Self::Older(OlderOp { collection, .. })
            | Self::By(ByOp { collection, .. }) => Some(collection),
            _ => None,
        }
    }

    /// The change of the feed that it is.
    pub(crate) fn change(&self) -> Option<ChangeOp> {
        let change = |number, collection: &CollectionName, id: &EntityId, version, deleted| {
            let (collection, id) = (collection.clone(), id.clone());
            ChangeOp { number, collection, id, version, deleted }
        };
        match self {
            Self::Put(put) => put
                .change
                .map(|number| change(number, &put.collection, &put.id, put.version, false)),
            Self::Delete(op) => {
                op.change.map(|number| change(number, &op.collection, &op.id, op.version, true))
            }
            Self::Change(change) => Some(change.clone()),
            _ => None,
        }
    }
}
