//! The statement behind a query or a count, and which index serves it.

use repo_core::{EntityId, Filter, Plan};

use super::statement::Statement;
use crate::Dialect;
use crate::bind::{Binder, Param};
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
    /// and may still read a small table as a whole.
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

fn made(sql: String, binder: &Binder) -> Statement {
    Statement::made(sql, binder.params().iter().cloned().map(Into::into))
}
