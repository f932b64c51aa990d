//! The statement behind a query or a count, and which index serves it.

use repo_core::strategy::SortValue;
use repo_core::{Direction, EntityId, Filter, Order, Plan};

use super::statement::Statement;
use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::dialect::ColumnKind;
use crate::filter::{Condition, push};
use crate::layout::{CollectionLayout, record_columns};
use crate::names::quote;

/// A filter as a condition, with its values.
pub(super) struct Select<'a> {
    layout: &'a CollectionLayout,
    binder: Binder,
    condition: Condition,
}

impl<'a> Select<'a> {
    pub(super) fn new(layout: &'a CollectionLayout, filter: &Filter) -> Self {
        let mut binder = Binder::new(Dialect::Postgres);
        let condition = push(filter, layout, &mut binder);
        Self { layout, binder, condition }
    }

    /// Whether the rows need not be filtered again.
    pub(super) fn exact(&self) -> bool {
        self.condition.exact
    }

    /// The next rows by id.
    pub(super) fn page(&self, after: Option<&EntityId>, most: usize) -> Statement {
        let mut binder = self.binder.clone();
        let id = quote(&self.layout.id_column);
        let mut conditions = self.conditions();
        if let Some(after) = after {
            conditions.push(format!("{id} > {}", binder.text(after.as_str())));
        }
        let most = binder.bind(Param::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {id} LIMIT {most}",
            record_columns(self.layout),
            quote(&self.layout.table),
            conditions.join(" AND ")
        );
        made(sql, &binder)
    }

    /// The next rows in an order, after a place in it.
    pub(super) fn ordered(
        &self,
        order: &Order,
        after: Option<(&SortValue, &EntityId)>,
        most: usize,
    ) -> Statement {
        let steps = || order.path.steps().iter().map(String::as_str);
        let mut binder = self.binder.clone();
        let at = if Dialect::Postgres.can_name(steps()) {
            Dialect::Postgres.value_at(steps(), |text| binder.text(text))
        } else {
            // No document has such a field.
            "NULL::jsonb".to_owned()
        };
        let ranked = Ranked::new(&at);
        let id = quote(&self.layout.id_column);
        let mut conditions = self.conditions();
        if let Some((value, last)) = after {
            conditions.push(ranked.after(&mut binder, order.direction, value, &id, last));
        }
        let most = binder.bind(Param::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
        let direction = match order.direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        };
        let Ranked { rank, number, text } = &ranked;
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {rank} {direction}, {number} {direction}, \
             {text} {direction}, {id} LIMIT {most}",
            record_columns(self.layout),
            quote(&self.layout.table),
            conditions.join(" AND ")
        );
        made(sql, &binder)
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> Statement {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE {}",
            quote(&self.layout.table),
            self.conditions().join(" AND ")
        );
        made(sql, &self.binder)
    }

    fn conditions(&self) -> Vec<String> {
        let mut conditions = vec!["\"document\" IS NOT NULL".to_owned()];
        if !self.condition.is_anything() {
            conditions.push(self.condition.sql.clone());
        }
        conditions
    }

    /// The index that can find the rows. PostgreSQL decides at each execution
    /// and may still read a small table as a whole, or all rows where most of
    /// them match. `EXPLAIN` for each page would double what the page costs.
    pub(super) fn plan(&self) -> Plan {
        let searched = |column: &str| self.condition.searched.iter().any(|name| name == column);
        if searched(&quote(&self.layout.id_column)) {
            return Plan::Index { name: format!("{}_pkey", self.layout.table) };
        }
        // The one of which most leading columns are searched.
        let leading = |index: &crate::layout::Index| {
            index.keys.iter().take_while(|key| searched(key)).count()
        };
        let best = self.layout.indexes.iter().rev().max_by_key(|index| leading(index));
        match best.filter(|index| leading(index) > 0) {
            Some(index) => Plan::Index { name: index.name.clone() },
            None => Plan::Scan,
        }
    }
}

/// A value's place in the order of the contract, as expressions: the rank of
/// its type, then the number or text itself.
struct Ranked {
    rank: String,
    number: String,
    text: String,
}

impl Ranked {
    fn new(at: &str) -> Self {
        Self {
            rank: format!(
                "CASE WHEN {at} IS NULL THEN 0 WHEN {at} = 'false'::jsonb THEN 2 \
                 WHEN {at} = 'true'::jsonb THEN 3 ELSE CASE jsonb_typeof({at}) \
                 WHEN 'null' THEN 1 WHEN 'number' THEN 4 WHEN 'string' THEN 5 \
                 WHEN 'array' THEN 6 ELSE 7 END END"
            ),
            number: Dialect::Postgres.typed_value(ColumnKind::Number, at),
            text: Dialect::Postgres.by_bytes(&Dialect::Postgres.typed_value(ColumnKind::Text, at)),
        }
    }

    /// True for rows that come after the one of this value and id.
    fn after(
        &self,
        binder: &mut Binder,
        direction: Direction,
        value: &SortValue,
        id: &str,
        last: &EntityId,
    ) -> String {
        let Self { rank, number, text } = self;
        let beyond = match direction {
            Direction::Ascending => ">",
            Direction::Descending => "<",
        };
        let last = binder.text(last.as_str());
        let (of_value, within) = match value {
            SortValue::Missing => (0, None),
            SortValue::Null => (1, None),
            SortValue::Bool(false) => (2, None),
            SortValue::Bool(true) => (3, None),
            SortValue::Number(value) => {
                (4, Some((number, format!("{}::numeric", binder.text(&value.to_string())))))
            }
            SortValue::Text(value) => (5, Some((text, binder.text(value)))),
            SortValue::Array => (6, None),
            SortValue::Object => (7, None),
        };
        let tied = match within {
            None => format!("{id} > {last}"),
            Some((column, value)) => {
                format!("(({column}) {beyond} {value} OR (({column}) = {value} AND {id} > {last}))")
            }
        };
        format!("({rank} {beyond} {of_value} OR ({rank} = {of_value} AND {tied}))")
    }
}

fn made(sql: String, binder: &Binder) -> Statement {
    Statement::made(sql, binder.params().iter().cloned().map(Into::into))
}
