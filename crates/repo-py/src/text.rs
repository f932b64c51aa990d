//! JSON text from what Python gives: text as it is, anything else by `json.dumps`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use repo_core::{Document, Error, ErrorKind, Filter};

use crate::errors::{checked, raised};

/// A document, checked.
pub(crate) fn document(given: &Bound<'_, PyAny>) -> PyResult<Document> {
    let py = given.py();
    with_json(given, |text| checked(py, Document::parse(text)))
}

/// A filter; `None` matches everything.
pub(crate) fn filter(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Filter> {
    match given {
        None => Ok(Filter::default()),
        Some(given) => with_json(given, |text| checked(py, Filter::parse(text))),
    }
}

/// Reads the JSON text of what was given.
pub(crate) fn with_json<T>(
    given: &Bound<'_, PyAny>,
    read: impl Fn(&str) -> PyResult<T>,
) -> PyResult<T> {
    if let Ok(text) = given.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => read(text),
            Err(_) => Err(raised(given.py(), &not_unicode())),
        };
    }
    let dumped = dumped(given, false)?;
    let text = dumped.cast::<PyString>()?;
    match text.to_str() {
        Ok(text) => read(text),
        // A lone surrogate: as an escape the engine can say where it stands.
        Err(_) => read(self::dumped(given, true)?.cast::<PyString>()?.to_str()?),
    }
}

fn not_unicode() -> Error {
    let why = "the text has a lone surrogate, which is no character";
    Error::new(ErrorKind::Invalid, "read JSON", why)
}

/// What `json.dumps` makes of a value. Numbers that JSON does not have are refused.
fn dumped<'py>(given: &Bound<'py, PyAny>, ascii: bool) -> PyResult<Bound<'py, PyAny>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = given.py();
    let options = PyDict::new(py);
    options.set_item("ensure_ascii", ascii)?;
    options.set_item("allow_nan", false)?;
    options.set_item("separators", (",", ":"))?;
    json(py, &DUMPS, "dumps")?.call((given,), Some(&options))
}

/// What `json.loads` makes of some text.
pub(crate) fn loaded<'py>(
    py: Python<'py>,
    text: &str,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    json(py, &LOADS, "loads")?.call((text,), options)
}

fn json<'py>(
    py: Python<'py>,
    kept: &PyOnceLock<Py<PyAny>>,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let function = kept.get_or_try_init(py, || {
        let function = py.import("json")?.getattr(name)?;
        PyResult::Ok(function.unbind())
    })?;
    Ok(function.bind(py).clone())
}
