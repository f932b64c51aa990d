//! Errors of the engine as exceptions of `repo_engine.errors`. Nothing else raises
//! them.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use repo_core::{Error, FailedPrecondition, Precondition};

/// Collection, id, what was expected (a word, or a version), the version there is.
type Failed = (String, String, Option<&'static str>, Option<u64>, Option<u64>);

/// The exception of an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    made(py, error).map_or_else(|other| other, PyErr::from_value)
}

fn made<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.get_or_try_init(py, || {
        let made = py.import("repo_engine.errors")?.getattr("_made")?;
        PyResult::Ok(made.unbind())
    })?;
    let context: Vec<(&str, &str)> =
        error.context().iter().map(|(name, value)| (*name, value.as_str())).collect();
    let failed: Vec<Failed> = error.failed_preconditions().iter().map(failed).collect();
    make.bind(py).call1((
        error.kind().as_str(),
        error.operation(),
        error.message(),
        context,
        error.hint_text(),
        error.is_retryable(),
        failed,
    ))
}

fn failed(one: &FailedPrecondition) -> Failed {
    let (word, version) = match one.expected {
        Precondition::Any => (Some("any"), None),
        Precondition::Absent => (Some("absent"), None),
        Precondition::Exists => (Some("exists"), None),
        Precondition::Version(version) => (None, Some(version.get())),
    };
    let key = &one.key;
    let actual = one.actual.map(repo_core::Version::get);
    (key.collection.to_string(), key.id.to_string(), word, version, actual)
}

/// The value of a result, or its error raised.
pub(crate) fn checked<T>(py: Python<'_>, result: repo_core::Result<T>) -> PyResult<T> {
    result.map_err(|error| raised(py, &error))
}
