//! Reading by id, counting, and one page of a query.

use std::collections::HashMap;

use repo_core::strategy::{Effort, Position, Record, Selector, SortKey, SortValue};
use repo_core::{
    CollectionName, Consistency, Entity, EntityId, Error, ErrorKind, Filter, Page, Query, Result,
};

use super::measured::Measured;
use super::rows;
use super::rows::PgRow;
use super::select::Select;
use super::shared::Shared;
use super::statement::{SqlValue, Statement};
use super::table::Table;
use super::transaction::Transaction;
use crate::chunk::Chunk;
use crate::errors;

/// Most ids in one statement.
const IDS_AT_ONCE: usize = 1_000;

/// The records of `ids`, in their order.
pub(super) async fn get_many(
    shared: &Shared,
    table: &Table,
    operation: &'static str,
    ids: &[EntityId],
    level: Consistency,
) -> Result<Vec<Option<Record>>> {
    let collection = &table.schema.collection;
    if let [id] = ids {
        let id = SqlValue::Text(id.to_string());
        let get = Statement::new(&table.statements.get, [id]);
        let rows = run_at(shared, operation, level, get).await?;
        return Ok(vec![rows.first().map(|row| rows::record(collection, row)).transpose()?]);
    }
    let mut found: HashMap<EntityId, Record> = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_AT_ONCE) {
        let list = SqlValue::Texts(chunk.iter().map(ToString::to_string).collect());
        let get = Statement::new(&table.statements.get_many, [list]);
        let rows = run_at(shared, operation, level, get).await?;
        for record in rows::records(collection, &rows)? {
            found.insert(record.id().clone(), record);
        }
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// The rows of one statement that writes nothing, from wherever the level allows.
pub(super) async fn run_at(
    shared: &Shared,
    operation: &'static str,
    level: Consistency,
    statement: Statement,
) -> Result<Vec<PgRow>> {
    if let Some(replicas) = &shared.replicas
        && let Some(rows) = replicas.rows(&shared.pool, operation, level, &statement).await?
    {
        return Ok(rows);
    }
    run(shared, operation, statement).await
}

/// The rows of one statement that writes nothing, from the primary server.
pub(super) async fn run(
    shared: &Shared,
    operation: &'static str,
    statement: Statement,
) -> Result<Vec<PgRow>> {
    let mut connection = shared.pool.get().await?;
    connection
        .alone(statement)
        .await
        .map_err(|source| errors::postgres(operation, &shared.location, source))
}

/// One page of a query. The database filters and orders; what it does not
/// filter exactly is looked at again, chunk by chunk, until the page is full.
pub(super) async fn query(
    shared: &Shared,
    table: &Table,
    query: &Query,
    level: Consistency,
) -> Result<Page> {
    Ok(page(Reading::Alone(shared, level), table, query).await?.0)
}

/// How the statements of a page run.
pub(super) enum Reading<'a> {
    /// Each alone, at this level.
    Alone(&'a Shared, Consistency),
    /// In one transaction, each with its plan.
    Measured(&'a Transaction, &'a mut Measured),
}

impl Reading<'_> {
    async fn rows(&mut self, statement: Statement) -> Result<Vec<PgRow>> {
        match self {
            Self::Alone(shared, level) => run_at(shared, "query", *level, statement).await,
            Self::Measured(transaction, measured) => {
                let plan = transaction.rows(statement.analyzed()).await?;
                let text = plan.first().map(|row| rows::text_at(row, 0)).transpose()?;
                measured.add(&text.unwrap_or_default())?;
                transaction.rows(statement).await
            }
        }
    }
}

/// One page, and what it took to find it.
pub(super) async fn page(
    mut reading: Reading<'_>,
    table: &Table,
    query: &Query,
) -> Result<(Page, Effort)> {
    let collection = &table.schema.collection;
    let mut selector = Selector::new(collection, query)?;
    let mut effort = Effort::default();
    let select = Select::new(&table.layout, query.filter());
    let mut place = Place::of(collection, query)?;
    let mut chunk = Chunk::default();
    if select.exact() {
        chunk.at_most(query.page_size() + 1);
    }
    // One more than fits says that there is another page.
    let mut wanted = query.page_size() + 1;
    loop {
        let statement = place.statement(&select, query, chunk.rows);
        let records = rows::records(collection, &reading.rows(statement).await?)?;
        let last = chunk.is_last(&records);
        for entity in records.into_iter().filter_map(Record::into_live) {
            place = Place::after(query, &entity);
            let matches = select.exact() || query.filter().matches(&entity.document);
            effort.hand_over(matches);
            if matches {
                selector.keep(entity);
                wanted -= 1;
            }
            if wanted == 0 {
                break;
            }
        }
        if last || wanted == 0 {
            return Ok((selector.finish(select.plan(), |last| last.id.to_string()), effort));
        }
    }
}

/// Where a query stands.
enum Place {
    Start,
    /// In the store's own order: behind an id.
    Id(EntityId),
    /// In an order: behind a value and an id.
    Value(SortValue, EntityId),
}

impl Place {
    fn of(collection: &CollectionName, query: &Query) -> Result<Self> {
        let position = query.cursor().map(|c| c.position_in(collection, query)).transpose()?;
        match position {
            None => Ok(Self::Start),
            Some(Position::Native(id)) => Ok(Self::Id(EntityId::new(id)?)),
            Some(Position::Ordered { key, id }) => match key.value() {
                Some(value) => Ok(Self::Value(value, id.clone())),
                None => Err(Error::new(ErrorKind::Invalid, "query", "the cursor is damaged")
                    .with("collection", collection)
                    .hint("ask for the first page again")),
            },
        }
    }

    fn after(query: &Query, entity: &Entity) -> Self {
        let value = query
            .order()
            .and_then(|order| SortKey::of(entity.document.get(&order.path).as_ref()).value());
        match value {
            Some(value) => Self::Value(value, entity.id.clone()),
            None => Self::Id(entity.id.clone()),
        }
    }

    fn statement(&self, select: &Select<'_>, query: &Query, most: usize) -> Statement {
        match (query.order(), self) {
            (None, Self::Id(id)) => select.page(Some(id), most),
            (None, _) => select.page(None, most),
            (Some(order), Self::Value(value, id)) => select.ordered(order, Some((value, id)), most),
            (Some(order), _) => select.ordered(order, None, most),
        }
    }
}

/// How many live entities match.
pub(super) async fn count(
    shared: &Shared,
    table: &Table,
    filter: &Filter,
    level: Consistency,
) -> Result<u64> {
    let select = Select::new(&table.layout, filter);
    if select.exact() {
        let rows = run_at(shared, "count", level, select.count()).await?;
        let number = rows.first().map(|row| rows::number_at(row, 0)).transpose()?;
        return Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0));
    }
    let mut chunk = Chunk::default();
    let (mut after, mut matching) = (None, 0);
    loop {
        let page = select.page(after.as_ref(), chunk.rows);
        let rows = run_at(shared, "count", level, page).await?;
        let records = rows::records(&table.schema.collection, &rows)?;
        let last = chunk.is_last(&records);
        let matches = |record: &&Record| record.document().is_some_and(|d| filter.matches(d));
        matching += records.iter().filter(matches).count() as u64;
        if last {
            return Ok(matching);
        }
        after = records.last().map(|record| record.id().clone());
    }
}
