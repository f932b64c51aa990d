//! A stored record that cannot be read, and what a scan does with it.

use crate::{CollectionName, Error};

/// What a scan does with a stored record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// It ends with the record's error.
    #[default]
    Fail,
    /// It names the record in [`RecordBatch::unreadable`] and continues. Only for
    /// a store that is open for reading. `get_many` fails with `Corrupt` about
    /// such a record, naming it as `key` or `id`; other methods leave such records
    /// out or fail.
    ///
    /// [`RecordBatch::unreadable`]: crate::strategy::RecordBatch::unreadable
    SetAside,
    /// As `SetAside`, for a caller that names every such record and then fails: a
    /// store may compare all records at once, at the end of the scan, and end it
    /// with an error that names those that are damaged.
    NameAll,
}

impl OnUnreadable {
    /// Whether a scan continues after a record that cannot be read.
    #[must_use]
    pub fn continues(self) -> bool {
        self != Self::Fail
    }
}

/// A stored record that cannot be read. As an [`Error`] it is its reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnreadableRecord {
    /// Its collection.
    pub collection: CollectionName,
    /// Its id, as far as that can be read, or else its place in the store.
    pub id: String,
    /// What is stored, as it is; `None` where the store cannot give it.
    pub stored: Option<Vec<u8>>,
    /// Why it cannot be read; names the record for a person.
    pub error: Error,
}

impl UnreadableRecord {
    /// The record of `id`, which cannot be read because of `error`.
    #[must_use]
    pub fn new(
        collection: CollectionName,
        id: impl Into<String>,
        stored: Option<Vec<u8>>,
        error: Error,
    ) -> Self {
        Self { collection, id: id.into(), stored, error }
    }

    /// The same with another error, made of its own.
    #[must_use]
    pub fn map_error(self, change: impl FnOnce(Error) -> Error) -> Self {
        Self { error: change(self.error), ..self }
    }
}

impl From<UnreadableRecord> for Error {
    fn from(record: UnreadableRecord) -> Self {
        record.error
    }
}
