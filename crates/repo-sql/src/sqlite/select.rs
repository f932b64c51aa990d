//! The statement behind a query or a count, and which index it uses.

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
        let id = quote(&layout.id_column);
        let mut conditions = Vec::new();
        // Left out of a count where it follows anyway, so that an index alone
        // can answer.
        if !(condition.only_live && matches!(goal, Goal::Count)) {
            conditions.push("\"document\" IS NOT NULL".to_owned());
        }
        if !condition.is_anything() {
            conditions.push(condition.sql);
        }
        let mut end = String::new();
        if let Goal::Page { after, most } = goal {
            if let Some(after) = after {
                conditions.push(format!("{id} > {}", binder.text(after.as_str())));
            }
            end = format!(" ORDER BY {id}");
            if condition.exact {
                let most = i64::try_from(*most).unwrap_or(i64::MAX);
                end.push_str(&format!(" LIMIT {}", binder.bind(Param::Integer(most))));
            }
        }
        let what = match goal {
            Goal::Count => "count(*)".to_owned(),
            _ => record_columns(layout),
        };
        let sql = format!(
            "SELECT {what} FROM {} WHERE {}{end}",
            quote(&layout.table),
            conditions.join(" AND ")
        );
        Self { sql, params: binder.params().to_vec(), exact: condition.exact }
    }

    /// Asks SQLite which index the statement searches. Only after the
    /// statement itself has run: an explanation does not notice that another
    /// connection changed the schema, a statement does.
    pub(super) fn plan(
        &self,
        shared: &Shared,
        connection: &Connection,
        layout: &CollectionLayout,
    ) -> Result<Plan> {
        let failed = |source| errors::sqlite("query", shared.file(), source);
        let sql = format!("EXPLAIN QUERY PLAN {}", self.sql);
        let mut statement = connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(&self.params)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let step: String = row.get(3).map_err(failed)?;
            if let Some(name) = searched_index(&step, layout) {
                return Ok(Plan::Index { name: name.to_owned() });
            }
        }
        Ok(Plan::Scan)
    }
}

/// The index that a step such as
/// `SEARCH machines_records USING INDEX machines-status-index (status=?)`
/// searches. A search by the id alone counts only for an equality: beyond a
/// page's last id it is how a scan goes on.
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
