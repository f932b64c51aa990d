//! A document with its id, version and times, as Python sees it.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use repo_core::{CollectionName, Document, EntityId, Key, Timestamp, Version};

use crate::text::loaded;

/// A document with its id, version and times.
///
/// `document` is the JSON text as it is stored; `json()` is what Python's own reader
/// makes of it, anew at each call.
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Entity {
    collection: CollectionName,
    id: EntityId,
    stored: Option<Stored>,
    document: Document,
}

/// What only a stored document has.
struct Stored {
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<repo_core::Entity> for Entity {
    fn from(entity: repo_core::Entity) -> Self {
        let repo_core::Entity { collection, id, version, created_at, updated_at, document } =
            entity;
        let stored = Some(Stored { version, created_at, updated_at });
        Self { collection, id, stored, document }
    }
}

impl Entity {
    /// What a transaction wrote itself and did not yet commit.
    pub(crate) fn unstored(key: Key, document: Document) -> Self {
        Self { collection: key.collection, id: key.id, stored: None, document }
    }
}

#[pymethods]
impl Entity {
    /// The collection that it belongs to.
    #[getter]
    fn collection(&self) -> &str {
        self.collection.as_str()
    }

    /// Its id within the collection.
    #[getter]
    fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Its version, one higher with each write; None for what a transaction wrote
    /// itself and did not yet commit.
    #[getter]
    fn version(&self) -> Option<u64> {
        self.stored.as_ref().map(|stored| stored.version.get())
    }

    /// When it was created, RFC 3339 with microseconds; None as for `version`.
    #[getter]
    fn created_at(&self) -> Option<String> {
        self.stored.as_ref().map(|stored| stored.created_at.to_string())
    }

    /// When this version was written, RFC 3339 with microseconds; None as for `version`.
    #[getter]
    fn updated_at(&self) -> Option<String> {
        self.stored.as_ref().map(|stored| stored.updated_at.to_string())
    }

    /// The document as JSON text, exactly as it is stored.
    #[getter]
    fn document(&self) -> &str {
        self.document.as_str()
    }

    /// The document as Python values, made anew. Options are those of `json.loads`:
    /// `parse_float=decimal.Decimal` keeps every digit.
    #[pyo3(signature = (**options))]
    fn json<'py>(
        &self,
        py: Python<'py>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        loaded(py, self.document.as_str(), options)
    }

    fn __repr__(&self) -> String {
        let key = format!("{}/{}", self.collection, self.id);
        match &self.stored {
            Some(stored) => format!("<Entity {key} version {}>", stored.version),
            None => format!("<Entity {key} not committed>"),
        }
    }
}
