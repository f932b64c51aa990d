//! Pages of lists.

use repo_core::{Cursor, Error, ErrorKind, Filter, Query, Result};

use crate::records::Versioned;

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Most items: 1 to 1,000; 100 without it.
    pub limit: Option<usize>,
    /// Where the page before ended: its `next`.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// The most items of a page.
    pub const MAX: usize = 1_000;

    /// The query of this page.
    pub(crate) fn query(&self, filter: Filter) -> Result<Query> {
        let limit = self.limit.unwrap_or(100);
        if !(1..=Self::MAX).contains(&limit) {
            return Err(Error::new(ErrorKind::Invalid, "list", "a limit is from 1 to 1000")
                .with("limit", limit));
        }
        let query = Query::new(filter).limit(limit)?;
        Ok(match &self.cursor {
            None => query,
            Some(cursor) => query.after(Cursor::parse(cursor)?),
        })
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The items.
    pub items: Vec<Versioned<T>>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}
