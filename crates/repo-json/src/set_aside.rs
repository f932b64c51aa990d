//! Entities of a data file that break a rule, in a store that was opened to
//! read what can be read.

use repo_core::strategy::Unreadable;
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result};

/// Most text of such entities that is kept, in bytes.
const MOST_BYTES: usize = 64 * 1_024 * 1_024;

/// An entity that is left out of the table.
#[derive(Debug)]
pub(crate) struct SetAside {
    key: String,
    text: Vec<u8>,
    error: Error,
}

/// Those of one collection.
#[derive(Debug, Default)]
pub(crate) struct AllSetAside {
    entities: Vec<SetAside>,
    bytes: usize,
}

impl SetAside {
    pub(crate) fn new(key: String, text: &[u8], error: Error) -> Self {
        Self { key, text: text.to_vec(), error }
    }

    /// The error, which says what is stored.
    fn again(&self, operation: &'static str, collection: &CollectionName) -> Error {
        let error = Error::new(self.error.kind(), operation, self.error.message());
        let context = self.error.context().iter();
        let error = context.fold(error, |error, (name, value)| error.with(name, value));
        error.about_unreadable(Unreadable {
            collection: collection.clone(),
            id: self.key.clone(),
            stored: Some(self.text.clone()),
        })
    }
}

impl AllSetAside {
    /// # Errors
    /// The entity's own, when there are too many to keep.
    pub(crate) fn push(&mut self, entity: SetAside) -> Result<()> {
        self.bytes = self.bytes.saturating_add(entity.text.len());
        if self.bytes > MOST_BYTES {
            return Err(entity.error.hint("too many entities break a rule: repair the file first"));
        }
        self.entities.push(entity);
        Ok(())
    }

    /// The error about one of these ids that cannot be read.
    pub(crate) fn one_of(&self, collection: &CollectionName, ids: &[EntityId]) -> Option<Error> {
        if self.entities.is_empty() {
            return None;
        }
        let found = self.entities.iter().find(|one| ids.iter().any(|id| id.as_str() == one.key))?;
        Some(found.again("get", collection).into_kind(ErrorKind::Corrupt))
    }

    /// The errors of a scan about them.
    pub(crate) fn errors(&self, collection: &CollectionName) -> Vec<Error> {
        self.entities.iter().map(|entity| entity.again("scan", collection)).collect()
    }
}
