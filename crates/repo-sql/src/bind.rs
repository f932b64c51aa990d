//! Values bound to the placeholders of a statement.

use crate::Dialect;

/// A value that is sent beside the SQL text, never within it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Param {
    Text(String),
    Integer(i64),
    Real(f64),
    /// A list of texts: in SQLite a JSON array, in PostgreSQL an array.
    Texts(Vec<String>),
}

/// Collects the values of one statement and names their placeholders.
#[derive(Debug, Clone)]
pub(crate) struct Binder {
    dialect: Dialect,
    params: Vec<Param>,
}

impl Binder {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, params: Vec::new() }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds a value and returns its placeholder.
    pub(crate) fn bind(&mut self, param: Param) -> String {
        self.params.push(param);
        self.dialect.placeholder(self.params.len())
    }

    pub(crate) fn text(&mut self, text: &str) -> String {
        self.bind(Param::Text(text.to_owned()))
    }

    /// How many values there are; for [`truncate`](Self::truncate).
    pub(crate) fn len(&self) -> usize {
        self.params.len()
    }

    /// Forgets the values added since, when their text is not used after all:
    /// a statement binds exactly what it names.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.params.truncate(len);
    }

    pub(crate) fn params(&self) -> &[Param] {
        &self.params
    }

    pub(crate) fn into_params(self) -> Vec<Param> {
        self.params
    }
}
