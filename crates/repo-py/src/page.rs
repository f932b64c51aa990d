//! One page of a query.

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};
use repo_core::Plan;

use crate::entity::Entity;

/// One page of a query: an iterable of entities.
#[pyclass(frozen, module = "repo_engine")]
pub(crate) struct Page {
    /// The entities, in order.
    #[pyo3(get)]
    entities: Py<PyList>,
    /// Where the next page starts; None when this was the last one.
    #[pyo3(get)]
    cursor: Option<String>,
    /// How the store found them: "scan", or "index" and its name.
    #[pyo3(get)]
    plan: String,
}

impl Page {
    pub(crate) fn new(py: Python<'_>, page: repo_core::Page) -> PyResult<Self> {
        let entities: Vec<Entity> = page.entities.into_iter().map(Entity::from).collect();
        let plan = match page.plan {
            Plan::Index { name } => format!("index {name}"),
            Plan::Scan => "scan".to_owned(),
        };
        Ok(Self {
            entities: PyList::new(py, entities)?.unbind(),
            cursor: page.next.map(|cursor| cursor.to_string()),
            plan,
        })
    }
}

#[pymethods]
impl Page {
    fn __len__(&self, py: Python<'_>) -> usize {
        self.entities.bind(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.entities.bind(py).try_iter()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let more = if self.cursor.is_some() { ", more follow" } else { "" };
        format!("<Page of {} entities by {}{more}>", self.__len__(py), self.plan)
    }
}
