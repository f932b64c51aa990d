//! The statement behind a query or a count, and which index it uses.

use std::ops::Range;

use repo_core::{EntityId, Filter, Plan, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::shared::Shared;
use crate::bind::{Binder, Param};
use crate::filter::push;
use crate::layout::{CollectionLayout, record_columns};
use crate::names::quote;
use crate::{Dialect, errors};

/// What a statement is for.
pub(super) enum Goal<'a> {
    /// The next records by id.
    Page {
        /// The last id of the page before.
        after: Option<&'a EntityId>,
        /// How many to ask for, when the condition is exact.
        most: usize,
    },
    /// Every record, in any order.
    All,
    /// Only how many there are.
    Count,
}

/// A statement with its values.
pub(super) struct Select {
    pub(super) sql: String,
    pub(super) params: Vec<Param>,
    /// Whether the rows need not be filtered again.
    pub(super) exact: bool,
    /// Where the text names the order, if it also sets a limit.
    order: Option<Range<usize>>,
    /// Where the text has named the table, and conditions follow if there are any.
    after_table: usize,
}

/// What SQLite says of how it runs a statement.
pub(super) struct Explained {
    pub(super) plan: Plan,
    /// Whether it sorts what it finds.
    pub(super) sorts: bool,
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(number) => ToSqlOutput::from(*number),
            Self::Real(number) => ToSqlOutput::from(*number),
            Self::Texts(texts) => {
                let list = serde_json::to_string(texts)
                    .map_err(|source| rusqlite::Error::ToSqlConversionFailure(source.into()))?;
                ToSqlOutput::from(list)
            }
        })
    }
}

impl Select {
    pub(super) fn new(layout: &CollectionLayout, filter: &Filter, goal: &Goal<'_>) -> Self {
        let mut binder = Binder::new(Dialect::Sqlite);
        let condition = push(filter, layout, &mut binder);
        let mut sql = String::with_capacity(256);
        sql.push_str("SELECT ");
        match goal {
            Goal::Count => sql.push_str("count(*)"),
            _ => sql.push_str(&record_columns(layout)),
        }
        sql.push_str(" FROM ");
        sql.push_str(&quote(&layout.table));
        let after_table = sql.len();
        let mut conditions = 0;
        let mut and = |sql: &mut String| {
            sql.push_str(if conditions == 0 { " WHERE " } else { " AND " });
            conditions += 1;
        };
        // Left out of a count where it follows anyway, so that an index alone
        // can answer.
        if !(condition.only_live && matches!(goal, Goal::Count)) {
            and(&mut sql);
            sql.push_str("\"document\" IS NOT NULL");
        }
        if !condition.is_anything() {
            and(&mut sql);
            sql.push_str(&condition.sql);
        }
        let mut order = None;
        if let Goal::Page { after, most } = goal {
            let id = quote(&layout.id_column);
            if let Some(after) = after {
                and(&mut sql);
                sql.extend([&id, " > ", &binder.text(after.as_str())]);
            }
            let start = sql.len();
            sql.extend([" ORDER BY ", &id]);
            if condition.exact {
                order = Some(start..sql.len());
                let most = i64::try_from(*most).unwrap_or(i64::MAX);
                sql.extend([" LIMIT ", &binder.bind(Param::Integer(most))]);
            }
        }
        let params = binder.into_params();
        Self { sql, params, exact: condition.exact, order, after_table }
    }

    /// The text of the statement without an order, with the same values: as many
    /// records as the page, of all that match. `None` where there is no limit.
    pub(super) fn unsorted(&self) -> Option<String> {
        let order = self.order.clone()?;
        let mut sql = self.sql.clone();
        sql.replace_range(order, "");
        Some(sql)
    }

    /// The text of the statement, with the same values, and `condition` before its own
    /// conditions.
    pub(super) fn asked_first(&self, condition: &str) -> String {
        let (before, after) = self.sql.split_at(self.after_table);
        match after.strip_prefix(" WHERE ") {
            Some(own) => format!("{before} WHERE {condition} AND {own}"),
            None => format!("{before} WHERE {condition}{after}"),
        }
    }

    /// Asks SQLite how it runs `sql`, which is this statement, this
    /// [without an order](Self::unsorted) or [with another condition](Self::asked_first). Only after that has run: an explanation
    /// does not notice that another connection changed the schema, a statement does.
    pub(super) fn explain(
        &self,
        sql: &str,
        shared: &Shared,
        connection: &Connection,
        layout: &CollectionLayout,
    ) -> Result<Explained> {
        let failed = |source| errors::sqlite("query", shared.file(), source);
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(&self.params)).map_err(failed)?;
        let mut explained = Explained { plan: Plan::Scan, sorts: false };
        while let Some(row) = rows.next().map_err(failed)? {
            let step: String = row.get(3).map_err(failed)?;
            explained.sorts |= step == "USE TEMP B-TREE FOR ORDER BY";
            if explained.plan == Plan::Scan
                && let Some(name) = searched_index(&step, layout)
            {
                explained.plan = Plan::Index { name: name.to_owned() };
            }
        }
        Ok(explained)
    }
}

/// The index that a step such as
/// `SEARCH machines_records USING INDEX machines-status-index (status=?)`
/// searches. A search by the id alone counts only for an equality: beyond a
/// page's last id it is how a scan resumes.
fn searched_index<'a>(step: &'a str, layout: &CollectionLayout) -> Option<&'a str> {
    let rest = step.strip_prefix("SEARCH ")?.strip_prefix(layout.table.as_str())?;
    let rest = rest
        .strip_prefix(" USING INDEX ")
        .or_else(|| rest.strip_prefix(" USING COVERING INDEX "))?;
    if let Some(index) = layout.indexes.iter().find(|index| {
        rest.strip_prefix(index.name.as_str()).is_some_and(|rest| rest.starts_with(" ("))
    }) {
        return rest.get(..index.name.len());
    }
    let (name, constraint) = rest.split_once(" (")?;
    let by_id = constraint.starts_with(&format!("{}=", layout.id_column));
    (name.starts_with("sqlite_autoindex_") && by_id).then_some(name)
}
