//! The Python package `repo-engine`, as far as it is made of Rust: the module
//! `repo_engine._native`.
//!
//! Everything here is thin: it turns what Python gives into what the engine takes,
//! waits for the answer with the interpreter's lock released, and turns the answer
//! back. Rules are the engine's own. Names, defaults and documentation for people are
//! in `python/repo_engine/`; documents cross as JSON text.

mod aggregate;
mod answers;
mod arguments;
mod entities;
mod entity;
mod errors;
mod forked;
mod migrate;
mod open;
mod page;
mod place;
mod process;
mod schemas;
mod store;
mod text;
mod transaction;
mod wait;
mod write;

use pyo3::prelude::*;

/// What `repo_engine` is made of. Programs import `repo_engine`.
#[pymodule]
#[pyo3(name = "_native")]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    // For a test: none of them may be without an exception of its own.
    let kinds: Vec<&str> = repo_core::ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    module.add("_KINDS", kinds)?;
    module.add_class::<store::Store>()?;
    module.add_class::<transaction::Transaction>()?;
    module.add_class::<entity::Entity>()?;
    module.add_class::<entities::Entities>()?;
    module.add_class::<page::Page>()?;
    module.add_class::<write::Write>()?;
    module.add_function(wrap_pyfunction!(migrate::migrate, module)?)?;
    Ok(())
}
