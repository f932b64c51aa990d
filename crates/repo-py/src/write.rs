//! One conditional write of a commit.

use pyo3::prelude::*;

use crate::arguments::{key, precondition};
use crate::text::document;

/// One conditional write for `Store.commit`: made by `Write.put`, `Write.delete` or
/// `Write.check`.
///
/// `expect` says what must hold: "any", "absent", "exists", or a version (int).
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Write(repo_core::Write);

impl Write {
    pub(crate) fn inner(&self) -> &repo_core::Write {
        &self.0
    }
}

#[pymethods]
impl Write {
    /// Stores a document, as JSON text or as values that `json.dumps` takes.
    #[staticmethod]
    #[pyo3(signature = (collection, id, document, *, expect=None))]
    fn put(
        py: Python<'_>,
        collection: &str,
        id: &str,
        document: &Bound<'_, PyAny>,
        expect: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (key, expect) = (key(py, collection, id)?, precondition(py, expect)?);
        Ok(Self(repo_core::Write::put(key, self::document(document)?, expect)))
    }

    /// Deletes an entity. With expect="any" and nothing there, nothing happens.
    #[staticmethod]
    #[pyo3(signature = (collection, id, *, expect=None))]
    fn delete(
        py: Python<'_>,
        collection: &str,
        id: &str,
        expect: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (key, expect) = (key(py, collection, id)?, precondition(py, expect)?);
        Ok(Self(repo_core::Write::delete(key, expect)))
    }

    /// Changes nothing, and only checks that `expect` holds.
    #[staticmethod]
    #[pyo3(signature = (collection, id, *, expect))]
    fn check(
        py: Python<'_>,
        collection: &str,
        id: &str,
        expect: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (key, expect) = (key(py, collection, id)?, precondition(py, Some(expect))?);
        Ok(Self(repo_core::Write::check(key, expect)))
    }

    fn __repr__(&self) -> String {
        let what = match self.0.change {
            repo_core::Change::Put(_) => "put",
            repo_core::Change::Delete => "delete",
            repo_core::Change::Check => "check",
        };
        format!("<Write {what} {} expect {}>", self.0.key, self.0.precondition)
    }
}
