//! Queries: filter, order, limit and cursor, and the pages they give.

use std::num::NonZeroUsize;

use crate::{Consistency, Cursor, Entity, Error, ErrorKind, FieldPath, Filter, Result};

/// Most entities in a page when the query sets no limit. A query over a million
/// entities must not fill the memory, so a page always has a size; the streams
/// of `Repository` follow the cursors and have none.
pub const DEFAULT_PAGE_SIZE: usize = 1_000;
/// Highest limit of one page.
pub const MAX_PAGE_SIZE: usize = 10_000;

/// Whether small values come first or last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Small values first.
    Ascending,
    /// Large values first; ids still ascend among equals.
    Descending,
}

/// The field a query is ordered by. The id decides among equals, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub path: FieldPath,
    /// The direction.
    pub direction: Direction,
}

/// A question about the live entities of one collection.
///
/// ```
/// use repo_core::{Filter, Query};
///
/// let query = Query::new(Filter::parse(r#"{"status": "RUNNING"}"#)?)
///     .order_by("created_at:desc")?
///     .limit(50)?;
/// assert_eq!(query.page_size(), 50);
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Query {
    filter: Filter,
    order: Option<Order>,
    limit: Option<NonZeroUsize>,
    cursor: Option<Cursor>,
    consistency: Consistency,
}

impl Query {
    /// A query for all entities that match `filter`, in the store's own order.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// A query for all entities.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Orders by `field`, `field:asc` or `field:desc`; a dotted field goes
    /// through objects. Without an order the store's own order is used.
    ///
    /// # Errors
    /// `Invalid` for another direction or a malformed path.
    pub fn order_by(self, order: &str) -> Result<Self> {
        let (path, direction) = match order.rsplit_once(':') {
            None => (order, Direction::Ascending),
            Some((path, "asc")) => (path, Direction::Ascending),
            Some((path, "desc")) => (path, Direction::Descending),
            Some((_, other)) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "query",
                    "an order is `field`, `field:asc` or `field:desc`",
                )
                .with("direction", other));
            }
        };
        Ok(self.ordered(Order { path: FieldPath::parse(path)?, direction }))
    }

    /// Orders by a field.
    #[must_use]
    pub fn ordered(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// At most `limit` entities in a page, 1 to [`MAX_PAGE_SIZE`].
    ///
    /// # Errors
    /// `Invalid` outside that range.
    pub fn limit(mut self, limit: usize) -> Result<Self> {
        match NonZeroUsize::new(limit) {
            Some(limit) if limit.get() <= MAX_PAGE_SIZE => {
                self.limit = Some(limit);
                Ok(self)
            }
            _ => Err(Error::new(ErrorKind::Invalid, "query", "a limit is from 1 to 10000")
                .with("limit", limit)),
        }
    }

    /// Continues where the page that gave `cursor` ended. The rest of the query
    /// has to be the same.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// The same for entities that match another filter.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Makes the read see every acknowledged write.
    #[must_use]
    pub fn strong(self) -> Self {
        self.with_consistency(Consistency::Strong)
    }

    /// Sets what the read has to see. It may be another level than that of the page before.
    #[must_use]
    pub fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// The filter.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The order, if one was asked for.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Most entities in the page.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.map_or(DEFAULT_PAGE_SIZE, NonZeroUsize::get)
    }

    /// Whether a limit was set; without one a page has the default size.
    #[must_use]
    pub fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// Where to continue.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// What the read has to see.
    #[must_use]
    pub fn consistency(&self) -> Consistency {
        self.consistency
    }
}

/// One page of a query.
#[derive(Debug, Clone)]
pub struct Page {
    /// The entities, at most [`Query::page_size`].
    pub entities: Vec<Entity>,
    /// Where the next page starts; `None` when this was the last one. A page
    /// may be followed by an empty one.
    pub next: Option<Cursor>,
    /// How the store found them.
    pub plan: Plan,
}

/// How a store answered a query.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plan {
    /// By an index; the name is the store's own.
    Index {
        /// The index.
        name: String,
    },
    /// By reading the whole collection.
    Scan,
}
