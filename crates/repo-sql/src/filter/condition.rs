//! A condition in SQL, and what is known of it.

/// A condition for WHERE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    /// Whether it lets through nothing but matches.
    pub(crate) exact: bool,
    /// Whether it is never true for a tombstone.
    pub(crate) only_live: bool,
    /// Columns whose index can find every row that satisfies it.
    pub(crate) searched: Vec<String>,
}

impl Condition {
    pub(super) fn exact(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), exact: true, only_live: true, searched: Vec::new() }
    }

    pub(super) fn wider(sql: impl Into<String>) -> Self {
        Self { exact: false, ..Self::exact(sql) }
    }

    /// Found by the index of a column.
    pub(super) fn searching(mut self, column: &str) -> Self {
        self.searched.push(column.to_owned());
        self
    }

    pub(super) fn never() -> Self {
        Self::exact("FALSE")
    }

    /// Lets everything through and says nothing.
    pub(super) fn anything() -> Self {
        Self { exact: false, only_live: false, ..Self::exact("TRUE") }
    }

    /// Whether it leaves out nothing.
    pub(crate) fn is_anything(&self) -> bool {
        self.sql == "TRUE"
    }
}
