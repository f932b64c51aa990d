//! A stored record that cannot be read.

use crate::{CollectionName, Error};

/// A stored record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its collection.
    pub collection: CollectionName,
    /// Its id, as far as that can be read, or else its place in the store.
    pub id: String,
    /// What is stored, as it is; `None` where the store cannot give it.
    pub stored: Option<Vec<u8>>,
}

impl Error {
    /// Says that this is about one stored record, which cannot be read.
    #[must_use]
    pub fn about_unreadable(self, record: Unreadable) -> Self {
        self.with_detail(record)
    }

    /// Takes back [`about_unreadable`](Self::about_unreadable): the operation
    /// as a whole has failed.
    #[must_use]
    pub fn about_all(self) -> Self {
        self.without_detail::<Unreadable>()
    }

    /// The one stored record that cannot be read, if this is about one: then
    /// the scan goes on after it.
    #[must_use]
    pub fn unreadable(&self) -> Option<&Unreadable> {
        self.detail()
    }
}
