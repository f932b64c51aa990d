//! Names, preconditions and attributions, as Python gives them.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};
use repo_core::{
    Attribution, CollectionName, Consistency, EntityId, Error, ErrorKind, Key, Precondition,
    Version,
};

use crate::errors::{checked, raised};

pub(crate) fn collection(py: Python<'_>, name: &str) -> PyResult<CollectionName> {
    checked(py, CollectionName::new(name))
}

pub(crate) fn key(py: Python<'_>, collection: &str, id: &str) -> PyResult<Key> {
    Ok(Key::new(self::collection(py, collection)?, checked(py, EntityId::new(id))?))
}

pub(crate) fn ids(py: Python<'_>, ids: Vec<String>) -> PyResult<Vec<EntityId>> {
    ids.iter().map(|id| checked(py, EntityId::new(id))).collect()
}

pub(crate) fn consistency(strong: bool) -> Consistency {
    if strong { Consistency::Strong } else { Consistency::Eventual }
}

/// `"any"`, `"absent"`, `"exists"`, or a version. `None` is `"any"`.
pub(crate) fn precondition(
    py: Python<'_>,
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<Precondition> {
    let Some(given) = given else { return Ok(Precondition::Any) };
    if let Ok(word) = given.cast::<PyString>() {
        return match &*word.to_cow()? {
            "any" => Ok(Precondition::Any),
            "absent" => Ok(Precondition::Absent),
            "exists" => Ok(Precondition::Exists),
            other => Err(raised(
                py,
                &Error::new(ErrorKind::Invalid, "read a precondition", "an unknown word")
                    .with("expect", format!("{other:?}"))
                    .hint("\"any\", \"absent\", \"exists\", or a version as a whole number"),
            )),
        };
    }
    // In Python a truth value is a whole number.
    if given.cast::<PyBool>().is_err()
        && let Ok(number) = given.extract::<i64>()
    {
        return checked(py, Version::try_from(number)).map(Precondition::Version);
    }
    Err(PyTypeError::new_err("expect is \"any\", \"absent\", \"exists\", or a version (int)"))
}

/// Who writes, and why; `None` when neither is said.
pub(crate) fn attribution(
    py: Python<'_>,
    author: Option<&str>,
    reason: Option<&str>,
) -> PyResult<Option<Arc<Attribution>>> {
    if author.is_none() && reason.is_none() {
        return Ok(None);
    }
    checked(py, Attribution::new(author, reason)).map(|by| Some(Arc::new(by)))
}
