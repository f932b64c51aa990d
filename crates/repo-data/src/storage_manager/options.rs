//! How something is stored.

use repo_core::{Error, ErrorKind, Result};

use super::content::Metadata;

/// How something is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreOptions {
    /// In which place; nothing for the first.
    pub place: Option<String>,
    /// What is kept beside it.
    pub metadata: Metadata,
    /// Its content type; nothing for that of its form.
    pub content_type: Option<String>,
    /// Whether something that is there under the key is kept, and the call refused.
    pub create_only: bool,
}

impl StoreOptions {
    /// In another place.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    /// With a name in its metadata.
    ///
    /// # Errors
    /// `Invalid` for a value that is no JSON.
    pub fn metadata(mut self, name: &str, value: impl serde::Serialize) -> Result<Self> {
        let value = serde_json::to_value(value).map_err(|source| {
            Error::new(ErrorKind::Invalid, "store", "metadata is JSON").caused_by(source)
        })?;
        self.metadata.insert(name.to_owned(), value);
        Ok(self)
    }

    /// With a content type.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }

    /// Only if nothing is there under the key.
    #[must_use]
    pub fn create_only(mut self) -> Self {
        self.create_only = true;
        self
    }
}
