//! What the stores keep of a commit that has not ended: the intent and the marker.

use std::sync::Arc;

use repo_core::strategy::StoreId;
use repo_core::{
    Attribution, Change, CollectionName, Document, Entity, EntityId, Error, ErrorKind, Key,
    Precondition, Result, Timestamp, Version, Write,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::intent_id::IntentId;
use crate::keys::{intent_key, marker_key};

/// What is still to be done. Written together with the first store's writes, and removed when
/// both stores have theirs, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: IntentId,
    /// The second store.
    pub(crate) second: StoreId,
    /// From 1; higher each time an operator has it tried again.
    pub(crate) attempt: u32,
    /// By the clock of who committed, for people.
    pub(crate) since: Timestamp,
    pub(crate) state: IntentState,
    /// What the second store is to do.
    pub(crate) writes: Vec<StoredWrite>,
    /// What takes the first store's writes back.
    pub(crate) undo: Vec<Undo>,
}

/// Who goes on with an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentState {
    /// Whoever finds it.
    Pending,
    /// An operator.
    NeedsOperator {
        /// Since when, by the clock of who found that out.
        since: Timestamp,
        /// What stands in the way.
        why: String,
    },
}

/// A write of the second store. The document is kept as text: its nesting and its numbers stay
/// what they are, however deep and long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredWrite {
    collection: CollectionName,
    id: EntityId,
    when: When,
    change: StoredChange,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Arc<Attribution>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Any,
    Absent,
    Exists,
    Version(Version),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredChange {
    Put(String),
    Delete,
    Check,
}

/// What takes one write of the first store back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undo {
    pub(crate) collection: CollectionName,
    pub(crate) id: EntityId,
    pub(crate) action: UndoAction,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UndoAction {
    /// There was no entity: the one of this version goes.
    Remove {
        /// The version that the write made.
        version: Version,
    },
    /// There was another document: it comes back over this version.
    Restore {
        /// The version that the write made.
        version: Version,
        /// What was there.
        document: String,
    },
    /// There was an entity, and the write deleted it: it comes back.
    Revive {
        /// The version of the tombstone that the write left.
        tombstone: Version,
        /// What was there.
        document: String,
    },
}

/// What was decided about an intent. This one record is where the decision is made: from
/// reserved it becomes done or void, and whoever wants to change it names the version it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) id: IntentId,
    /// The first store.
    pub(crate) coordinator: StoreId,
    /// That of the intent for which it was reserved.
    pub(crate) attempt: u32,
    pub(crate) state: MarkerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkerState {
    /// Nothing was decided.
    Reserved,
    /// The second store has its writes: they were in the commit that wrote this.
    Done,
    /// The second store does not have its writes, and no commit under way brings them.
    Void,
}

/// What a record holds, and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known<T> {
    pub(crate) version: Version,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> Known<T> {
    /// # Errors
    /// `Corrupt` for a document that is none of ours.
    pub(crate) fn read(entity: &Entity) -> Result<Self> {
        let value = entity.document.deserialize().map_err(|source| {
            let why = "what the store keeps of a commit in two stores is damaged";
            Error::new(ErrorKind::Corrupt, "read an intent", why)
                .with("key", entity.key())
                .with("version", entity.version)
                .hint("compare both stores by hand, and delete the record when they agree")
                .caused_by(source)
        })?;
        Ok(Self { version: entity.version, value })
    }
}

impl Intent {
    pub(crate) fn put(&self, when: Precondition) -> Result<Write> {
        Ok(Write::put(intent_key(self.id)?, Document::from_serialize(self)?, when))
    }
}

impl Marker {
    pub(crate) fn put(&self, when: Precondition) -> Result<Write> {
        Ok(Write::put(marker_key(self.id)?, Document::from_serialize(self)?, when))
    }
}

impl StoredWrite {
    pub(crate) fn of(write: &Write) -> Self {
        Self {
            collection: write.key.collection.clone(),
            id: write.key.id.clone(),
            when: match write.precondition {
                Precondition::Any => When::Any,
                Precondition::Absent => When::Absent,
                Precondition::Exists => When::Exists,
                Precondition::Version(version) => When::Version(version),
            },
            change: match &write.change {
                Change::Put(document) => StoredChange::Put(document.as_str().to_owned()),
                Change::Delete => StoredChange::Delete,
                Change::Check => StoredChange::Check,
            },
            by: write.attribution.clone(),
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.collection.clone(), self.id.clone())
    }

    pub(crate) fn to_write(&self) -> Result<Write> {
        let key = self.key();
        let when = match self.when {
            When::Any => Precondition::Any,
            When::Absent => Precondition::Absent,
            When::Exists => Precondition::Exists,
            When::Version(version) => Precondition::Version(version),
        };
        let write = match &self.change {
            StoredChange::Put(text) => Write::put(key, kept_document(text)?, when),
            StoredChange::Delete => Write::delete(key, when),
            StoredChange::Check => Write::check(key, when),
        };
        Ok(write.attributed_to(self.by.clone()))
    }
}

impl Undo {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.collection.clone(), self.id.clone())
    }

    pub(crate) fn to_write(&self) -> Result<Write> {
        let key = self.key();
        Ok(match &self.action {
            UndoAction::Remove { version } => Write::delete(key, Precondition::Version(*version)),
            UndoAction::Restore { version, document } => {
                Write::put(key, kept_document(document)?, Precondition::Version(*version))
            }
            UndoAction::Revive { document, .. } => {
                Write::put(key, kept_document(document)?, Precondition::Absent)
            }
        })
    }
}

fn kept_document(text: &str) -> Result<Document> {
    Document::parse(text).map_err(|error| error.into_kind(ErrorKind::Corrupt))
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
