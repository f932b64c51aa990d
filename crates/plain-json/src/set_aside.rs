//! Entities of a file that break a rule, in a store that was opened to read what can
//! be read.

use repo_core::strategy::UnreadableRecord;
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result};

/// Most text of such entities that is kept, in bytes.
const MOST_BYTES: usize = 64 * 1_024 * 1_024;

/// An entity that is left out.
#[derive(Debug)]
pub struct SetAside {
    key: String,
    text: Vec<u8>,
    error: Error,
}

/// Those of one collection.
#[derive(Debug, Default)]
pub struct AllSetAside {
    entities: Vec<SetAside>,
    bytes: usize,
}

impl SetAside {
    /// An entity that cannot be read: what it is called, its text, and why.
    #[must_use]
    pub fn new(key: String, text: &[u8], error: Error) -> Self {
        Self { key, text: text.to_vec(), error }
    }

    /// The error, as one of this operation.
    fn again(&self, operation: &'static str) -> Error {
        let error = Error::new(self.error.kind(), operation, self.error.message());
        let context = self.error.context().iter();
        context.fold(error, |error, (name, value)| error.with(name, value))
    }

    fn unreadable(&self, collection: &CollectionName) -> UnreadableRecord {
        let stored = Some(self.text.clone());
        UnreadableRecord::new(collection.clone(), self.key.as_str(), stored, self.again("scan"))
    }
}

impl AllSetAside {
    /// Adds one.
    ///
    /// # Errors
    /// The entity's own, when there are too many to keep.
    pub fn push(&mut self, entity: SetAside) -> Result<()> {
        self.bytes = self.bytes.saturating_add(entity.text.len());
        if self.bytes > MOST_BYTES {
            return Err(entity.error.hint("too many entities break a rule: repair the file first"));
        }
        self.entities.push(entity);
        Ok(())
    }

    /// The error about one of these ids that cannot be read.
    #[must_use]
    pub fn one_of(&self, ids: &[EntityId]) -> Option<Error> {
        if self.entities.is_empty() {
            return None;
        }
        let found = self.entities.iter().find(|one| ids.iter().any(|id| id.as_str() == one.key))?;
        Some(found.again("get").into_kind(ErrorKind::Corrupt))
    }

    /// All of them, for a scan.
    #[must_use]
    pub fn all(&self, collection: &CollectionName) -> Vec<UnreadableRecord> {
        self.entities.iter().map(|entity| entity.unreadable(collection)).collect()
    }
}
