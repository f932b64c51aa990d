//! Groups, and what is computed of them.
//!
//! SQLite adds and compares numbers as floats, and to group by what it extracts from
//! documents takes longer than to read them. So it counts by columns of strings and truth
//! values, which are exact and in an index in order; the engine does all else.

use repo_core::strategy::{Aggregator, Record, push_json_string};
use repo_core::{Aggregates, Aggregation, GroupedBy, Result};
use rusqlite::{Connection, Row, params_from_iter};

use super::read::select_failed;
use super::rows::{self, integer_at, text_at};
use super::select::{Goal, Select};
use super::shared::Shared;
use super::table::Table;
use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::dialect::ColumnKind;
use crate::filter::push;
use crate::layout::{CollectionLayout, Column};
use crate::names::quote;

pub(super) fn aggregate(
    shared: &Shared,
    connection: &Connection,
    table: &Table,
    aggregation: &Aggregation,
) -> Result<Aggregates> {
    let mut groups = Aggregator::new(&table.schema.collection, aggregation);
    let reading = Reading { shared, connection, table };
    let Some(counted) = Counted::new(&table.layout, aggregation) else {
        reading.each(aggregation, "", &mut groups)?;
        return groups.finish(GroupedBy::Engine);
    };
    reading.counted(&counted, &mut groups)?;
    if let Some(others) = counted.others() {
        reading.each(aggregation, &others, &mut groups)?;
    }
    groups.finish(GroupedBy::Store)
}

struct Reading<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    table: &'a Table,
}

impl Reading<'_> {
    /// Adds each entity that may match and satisfies `also`.
    fn each(
        &self,
        aggregation: &Aggregation,
        also: &str,
        groups: &mut Aggregator<'_>,
    ) -> Result<()> {
        let select = Select::new(&self.table.layout, aggregation.filter(), &Goal::All);
        let sql = format!("{}{also}", select.sql);
        self.rows(&sql, &select.params, |row| {
            let record: Record = rows::record(&self.table.schema.collection, row)?;
            record.document().map_or(Ok(()), |document| groups.offer(document))
        })
    }

    /// Adds the groups of a statement that counts.
    fn counted(&self, counted: &Counted, groups: &mut Aggregator<'_>) -> Result<()> {
        self.rows(&counted.sql, &counted.params, |row| {
            let columns = counted.columns.iter().enumerate();
            let values = columns.map(|(at, (_, kind))| json_at(row, at, *kind));
            let values = values.collect::<Result<Vec<String>>>()?;
            let key: Vec<Option<&str>> = values.iter().map(|text| Some(text.as_str())).collect();
            let count = integer_at(row, counted.columns.len())?;
            groups.add_group(&key, u64::try_from(count).unwrap_or(0), Vec::new())
        })
    }

    fn rows(
        &self,
        sql: &str,
        params: &[Param],
        mut take: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let failed = |source| select_failed(self.shared, self.connection, self.table, source);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(params)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(row)?;
        }
        Ok(())
    }
}

/// The JSON text of a column's value, which is not NULL.
fn json_at(row: &Row<'_>, at: usize, kind: ColumnKind) -> Result<String> {
    if kind == ColumnKind::Boolean {
        return Ok((integer_at(row, at)? != 0).to_string());
    }
    let mut json = String::new();
    push_json_string(&mut json, text_at(row, at)?);
    Ok(json)
}

/// A statement that counts entities by columns that an index holds.
struct Counted {
    sql: String,
    params: Vec<Param>,
    /// The column of each field to group by.
    columns: Vec<(String, ColumnKind)>,
}

impl Counted {
    /// `None` where more than a count is asked for, where a field has no such column, and
    /// where the filter is no exact condition.
    fn new(layout: &CollectionLayout, aggregation: &Aggregation) -> Option<Self> {
        if !aggregation.measured().is_empty() {
            return None;
        }
        let fields = aggregation.group_fields().iter();
        let columns: Vec<(String, ColumnKind)> = fields
            .map(|path| layout.column(path).and_then(counted_exactly))
            .collect::<Option<_>>()?;
        let in_order = index_order(layout, &columns)?;
        let mut binder = Binder::new(Dialect::Sqlite);
        let condition = push(aggregation.filter(), layout, &mut binder);
        if !condition.exact {
            return None;
        }
        // A column that holds something is one of a live entity.
        let mut conditions: Vec<String> =
            columns.iter().map(|(name, _)| format!("{name} IS NOT NULL")).collect();
        if conditions.is_empty() && !condition.only_live {
            conditions.push("\"document\" IS NOT NULL".to_owned());
        }
        if !condition.is_anything() {
            conditions.push(condition.sql);
        }
        let sql = format!(
            "SELECT {} FROM {}{}{} LIMIT {}",
            columns.iter().map(|(name, _)| format!("{name}, ")).collect::<String>() + "count(*)",
            quote(&layout.table),
            clause(" WHERE ", &conditions, " AND "),
            clause(" GROUP BY ", &in_order, ", "),
            // One more is noticed.
            aggregation.group_limit() + 1
        );
        Some(Self { sql, params: binder.into_params(), columns })
    }

    /// The condition on all other entities; `None` where there are no others.
    fn others(&self) -> Option<String> {
        let lacking: Vec<String> =
            self.columns.iter().map(|(name, _)| format!("{name} IS NULL")).collect();
        (!lacking.is_empty()).then(|| format!(" AND ({})", lacking.join(" OR ")))
    }
}

/// A column whose values SQLite compares as the engine does. Numbers are none: a fraction
/// of many digits would become a whole number.
fn counted_exactly(column: &Column) -> Option<(String, ColumnKind)> {
    matches!(column.kind, ColumnKind::Text | ColumnKind::Boolean)
        .then(|| (quote(&column.name), column.kind))
}

/// The columns in the order of an index that begins with them, so that nothing has to be
/// sorted.
fn index_order(layout: &CollectionLayout, columns: &[(String, ColumnKind)]) -> Option<Vec<String>> {
    if columns.is_empty() {
        return Some(Vec::new());
    }
    let leading = layout.indexes.iter().filter_map(|index| index.keys.get(..columns.len()));
    let mut fitting = leading.filter(|keys| columns.iter().all(|(name, _)| keys.contains(name)));
    fitting.next().map(<[String]>::to_vec)
}

/// A clause of these parts; nothing where there are none.
fn clause(word: &str, parts: &[String], between: &str) -> String {
    if parts.is_empty() { String::new() } else { format!("{word}{}", parts.join(between)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use repo_core::{CollectionName, Filter};

    use super::*;
    use crate::sqlite::connection::Reader;
    use crate::sqlite::plans::tests::{Store, store};
    use crate::sqlite::read::with_table;

    fn asked(filter: &str, field: &str) -> Aggregation {
        let asked = Aggregation::new(Filter::parse(filter).unwrap());
        asked.group_by(field).unwrap().count().unwrap()
    }

    fn in_table<T>(store: &Store, work: impl FnOnce(&Reader, &Arc<Table>) -> Result<T>) -> T {
        let reader = store.reader();
        let name = CollectionName::new("m").unwrap();
        let done =
            with_table(&store.shared, &reader, "aggregate", &name, |table| work(&reader, table));
        done.unwrap()
    }

    /// What SQLite says of the statement that counts, if one does: its plan, or its program.
    fn explained(store: &Store, asked: &Aggregation, word: &str, at: usize) -> Option<String> {
        in_table(store, |reader, table| {
            let Some(counted) = Counted::new(&table.layout, asked) else { return Ok(None) };
            let mut statement = reader.prepare(&format!("{word} {}", counted.sql)).unwrap();
            let params = params_from_iter(&counted.params);
            let steps = statement.query_map(params, |row| row.get::<_, String>(at)).unwrap();
            let steps: Vec<String> = steps.map(|step| step.unwrap()).collect();
            Ok(Some(steps.join("\n")))
        })
    }

    #[test]
    fn an_index_counts_by_its_column_without_a_look_at_documents() {
        let store = store(r#"[["kind", "size"]]"#, 300);
        let plan = explained(&store, &asked("{}", "kind"), "EXPLAIN QUERY PLAN", 3).unwrap();
        assert!(plan.contains("INDEX m-kind-size-index"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        let program = explained(&store, &asked("{}", "kind"), "EXPLAIN", 1).unwrap();
        assert!(!program.contains("Func"), "{program}");
    }

    #[test]
    fn what_is_not_exact_or_sorted_is_left_to_the_engine() {
        let plan = |indexes: &str, asked: &Aggregation| {
            explained(&store(indexes, 3), asked, "EXPLAIN QUERY PLAN", 3)
        };
        let indexes = r#"[["size"], ["size", "kind"]]"#;
        for field in ["kind", "size", "id", "else"] {
            assert_eq!(plan(indexes, &asked("{}", field)), None, "{field}");
        }
        let indexes = r#"[["kind"]]"#;
        assert_ne!(plan(indexes, &asked(r#"{"kind": "rare"}"#, "kind")), None);
        assert_eq!(plan(indexes, &asked(r#"{"kind": {"$regex": "r"}}"#, "kind")), None);
        assert_eq!(plan(indexes, &asked("{}", "kind").sum("size").unwrap()), None);
        let all = Aggregation::new(Filter::default());
        assert_ne!(plan("[]", &all.clone().count().unwrap()), None);
        assert_eq!(plan("[]", &all.max("kind").unwrap()), None);
    }

    #[test]
    fn what_the_column_does_not_hold_is_counted_beside_it() {
        let mut store = store(r#"[["kind"]]"#, 300);
        let change = "UPDATE m_records SET document = json_remove(document, '$.kind')
                WHERE id = 'm000100';
            UPDATE m_records SET document = json_set(document, '$.kind', 7) WHERE id = 'm000200'";
        store.session.connection().unwrap().execute_batch(change).unwrap();
        let asked = asked("{}", "kind");
        let answer =
            in_table(&store, |reader, table| aggregate(&store.shared, reader, table, &asked));
        assert_eq!(answer.grouped_by, GroupedBy::Store);
        let lines: Vec<String> = answer.rows.iter().map(|row| row.to_json(&asked)).collect();
        let of = |group: &str, count: u64| {
            format!("{{\"group\":{{{group}}},\"values\":{{\"count\":{count}}}}}")
        };
        let rows =
            [("", 1), ("\"kind\":7", 1), ("\"kind\":\"rare\"", 1), ("\"kind\":\"usual\"", 297)];
        assert_eq!(lines, rows.map(|(group, count)| of(group, count)));
    }
}
