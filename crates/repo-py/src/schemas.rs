//! The collections, as Python names them.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use repo_core::{CollectionName, CollectionSchema, Result, Schemas};

use crate::errors::checked;
use crate::text::with_json;

/// The collections: a folder of `*.schema.json` files (a string or a path), or a list
/// of which each is the name of a collection, a schema as JSON text, or as values.
/// `None`: those of the configuration, or the three of the Host Factory.
pub(crate) fn schemas(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Schemas>> {
    let Some(given) = given else { return Ok(None) };
    let py = given.py();
    if given.cast::<PyList>().is_ok() || given.cast::<PyTuple>().is_ok() {
        let mut schemas = Schemas::default();
        for one in given.try_iter()? {
            let schema = declared(&one?)?;
            checked(py, schemas.insert(schema))?;
        }
        checked(py, repo_layers::check_schemas(&schemas))?;
        return Ok(Some(schemas));
    }
    let folder: PathBuf = given.extract()?;
    checked(py, of_folder(&folder)).map(Some)
}

fn of_folder(folder: &std::path::Path) -> Result<Schemas> {
    let schemas = Schemas::load_dir(folder)?;
    repo_layers::check_schemas(&schemas).map_err(|error| error.with("folder", folder.display()))?;
    Ok(schemas)
}

fn declared(given: &Bound<'_, PyAny>) -> PyResult<CollectionSchema> {
    let py = given.py();
    if let Ok(text) = given.cast::<PyString>() {
        let text = text.to_cow()?;
        if !text.trim_start().starts_with('{') {
            let name = checked(py, CollectionName::new(&text))?;
            return Ok(CollectionSchema::undeclared(name));
        }
    }
    with_json(given, |text| checked(py, CollectionSchema::parse(text)))
}
