//! Queries of a typed repository, built step by step.

use futures_util::future;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::{
    Aggregates, Aggregation, Condition, Consistency, Direction, FieldPath, MAX_PAGE_SIZE, Model,
    Order, Query, Repository, Result, Stored,
};

/// A query of a repository, as [`StoreRepository::query`](crate::StoreRepository::query)
/// makes it. What is wrong with a part of it is reported when it runs.
#[must_use = "a query does nothing until it is collected or streamed"]
pub struct EntityQuery<'a, E> {
    repository: &'a dyn Repository<E>,
    condition: Condition,
    order: Option<Result<Order>>,
    limit: Option<usize>,
    consistency: Consistency,
}

impl<'a, E: Model> EntityQuery<'a, E> {
    /// A query of any repository.
    pub fn new(repository: &'a dyn Repository<E>, condition: Condition) -> Self {
        let consistency = Consistency::default();
        Self { repository, condition, order: None, limit: None, consistency }
    }

    /// Orders by the field at a dotted path, and by id among equals. Without an
    /// order the store's own order is used.
    pub fn order_by(mut self, path: &str, direction: Direction) -> Self {
        self.order = Some(FieldPath::parse(path).map(|path| Order { path, direction }));
        self
    }

    /// At most so many values in all.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Makes the query see every acknowledged write.
    pub fn strong(self) -> Self {
        self.with_consistency(Consistency::Strong)
    }

    /// Sets what the query has to see.
    pub fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// The values, read page by page as the stream is polled.
    pub fn stream(self) -> BoxStream<'a, Result<Stored<E>>> {
        let (repository, limit) = (self.repository, self.limit);
        match self.build() {
            Err(error) => stream::once(future::ready(Err(error))).boxed(),
            Ok(_) if limit == Some(0) => stream::empty().boxed(),
            Ok(query) => {
                let found = repository.find_by_criteria(query);
                found.take(limit.unwrap_or(usize::MAX)).boxed()
            }
        }
    }

    /// All values. They are in memory at once: for many use
    /// [`stream`](Self::stream).
    ///
    /// # Errors
    /// `Invalid` when a part of the query is wrong, `NotFound` when the collection
    /// was never prepared, else those of the store.
    pub async fn try_collect(self) -> Result<Vec<Stored<E>>> {
        self.stream().try_collect().await
    }

    /// The first value, if there is one.
    ///
    /// # Errors
    /// As [`try_collect`](Self::try_collect).
    pub async fn first(self) -> Result<Option<Stored<E>>> {
        self.limit(1).stream().try_next().await
    }

    /// How many values match, whatever the limit.
    ///
    /// # Errors
    /// As [`try_collect`](Self::try_collect).
    pub async fn count(self) -> Result<u64> {
        let filter = self.condition.filter()?;
        self.repository.count(&filter, self.consistency).await
    }

    /// Groups of the values that match, and what is computed of each, whatever order and
    /// limit. `ask` says by what they are grouped and what is computed:
    /// `|of| of.group_by("status")?.count()`.
    ///
    /// # Errors
    /// Those of `ask`, and as [`Repository::aggregate`].
    pub async fn aggregate(
        self,
        ask: impl FnOnce(Aggregation) -> Result<Aggregation>,
    ) -> Result<Aggregates> {
        let all = Aggregation::new(self.condition.filter()?);
        let asked = ask(all.with_consistency(self.consistency))?;
        self.repository.aggregate(&asked).await
    }

    fn build(self) -> Result<Query> {
        let mut query = Query::new(self.condition.filter()?);
        if let Some(order) = self.order {
            query = query.ordered(order?);
        }
        if let Some(limit) = self.limit.filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit)) {
            query = query.limit(limit)?;
        }
        Ok(query.with_consistency(self.consistency))
    }
}
