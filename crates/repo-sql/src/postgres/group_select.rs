//! The statement of an aggregation, where the database does all of it exactly.

use repo_core::strategy::Measured;
use repo_core::{Aggregation, FieldPath};

use super::statement::Statement;
use crate::Dialect;
use crate::bind::Binder;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;
use crate::filter::{Condition, push};
use crate::layout::CollectionLayout;
use crate::names::quote;

/// An aggregation whose filter is a condition that lets through nothing but matches.
///
/// A row of its answer has the value of each field to group by, as `jsonb`; how many
/// entities there are; and for each measured field how many numbers, strings and other
/// values, then what is asked for: the sum, the least number and the least string, the
/// greatest number and the greatest string. `jsonb` compares numbers by value, so `1.50`
/// and `1.5` are one group, and its `numeric` keeps all digits.
pub(super) struct GroupSelect<'a> {
    layout: &'a CollectionLayout,
    aggregation: &'a Aggregation,
    binder: Binder,
    condition: Condition,
}

impl<'a> GroupSelect<'a> {
    /// `None` where the condition would let through more than matches.
    pub(super) fn new(layout: &'a CollectionLayout, aggregation: &'a Aggregation) -> Option<Self> {
        let mut binder = Binder::new(Dialect::Postgres);
        let condition = push(aggregation.filter(), layout, &mut binder);
        condition.exact.then_some(Self { layout, aggregation, binder, condition })
    }

    /// The statement. It answers one group more than is allowed, so that it is noticed.
    pub(super) fn statement(mut self) -> Statement {
        let sql = self.sql();
        Statement::made(sql, self.binder.into_params().into_iter().map(Into::into))
    }

    fn sql(&mut self) -> String {
        let groups = match self.columns_of_all() {
            Some(columns) => self.counted_by_columns(&columns),
            None => self.grouped(""),
        };
        format!("{groups} LIMIT {}", self.aggregation.group_limit() + 1)
    }

    /// The columns of all fields to group by, if nothing but entities is counted. A column
    /// holds a value exactly where the document holds one of its type.
    fn columns_of_all(&self) -> Option<Vec<String>> {
        let fields = self.aggregation.group_fields();
        if fields.is_empty() || !self.aggregation.measured().is_empty() {
            return None;
        }
        fields.iter().map(|path| self.column(path)).collect()
    }

    /// Counts what the columns hold by them alone, for which an index may be enough, and
    /// looks only into the other documents.
    fn counted_by_columns(&mut self, columns: &[String]) -> String {
        let values: Vec<String> = columns.iter().map(|c| format!("to_jsonb({c})")).collect();
        let held: Vec<String> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
        let lacking: Vec<String> = columns.iter().map(|c| format!("{c} IS NULL")).collect();
        let by_columns = format!(
            "SELECT {}, count(*) FROM {} WHERE {}{} GROUP BY {}",
            values.join(", "),
            quote(&self.layout.table),
            held.join(" AND "),
            self.matching(),
            columns.join(", ")
        );
        let others = self.grouped(&format!(" AND ({})", lacking.join(" OR ")));
        format!("{by_columns} UNION ALL {others}")
    }

    /// All groups, or those of the rows that satisfy `also`.
    fn grouped(&mut self, also: &str) -> String {
        let aggregation = self.aggregation;
        let fields = aggregation.group_fields();
        let mut shown: Vec<String> = fields.iter().map(|path| self.key(path)).collect();
        shown.push("count(*)".to_owned());
        for measured in aggregation.measured() {
            self.measure(measured, &mut shown);
        }
        let by: Vec<String> = (1..=fields.len()).map(|number| number.to_string()).collect();
        let group_by = match by.is_empty() {
            true => String::new(),
            false => format!(" GROUP BY {}", by.join(", ")),
        };
        format!(
            "SELECT {} FROM {} WHERE \"document\" IS NOT NULL{}{also}{group_by}",
            shown.join(", "),
            quote(&self.layout.table),
            self.matching()
        )
    }

    fn matching(&self) -> String {
        match self.condition.is_anything() {
            true => String::new(),
            false => format!(" AND {}", self.condition.sql),
        }
    }

    /// The value of a field. Where a column holds it, the document is not looked at.
    fn key(&mut self, path: &FieldPath) -> String {
        let at = self.at(path);
        match self.column(path) {
            Some(column) => format!("coalesce(to_jsonb({column}), {at})"),
            None => at,
        }
    }

    fn measure(&mut self, measured: &Measured, shown: &mut Vec<String>) {
        let postgres = Dialect::Postgres;
        let at = self.at(&measured.path);
        let counted = |types: &[JsonType]| {
            format!("count(*) FILTER (WHERE {})", postgres.has_type(&at, types))
        };
        shown.push(counted(&[JsonType::Number]));
        shown.push(counted(&[JsonType::Text]));
        let others = "'null', 'boolean', 'array', 'object'";
        shown.push(format!("count(*) FILTER (WHERE jsonb_typeof({at}) IN ({others}))"));
        let number = postgres.typed_value(ColumnKind::Number, &at);
        let text = postgres.by_bytes(&postgres.typed_value(ColumnKind::Text, &at));
        if measured.sum {
            shown.push(format!("sum({number})::text"));
        }
        for (function, is_asked) in [("min", measured.least), ("max", measured.greatest)] {
            if is_asked {
                shown.push(format!("{function}({number})::text"));
                shown.push(format!("{function}({text})"));
            }
        }
    }

    fn at(&mut self, path: &FieldPath) -> String {
        let steps = path.steps().iter().map(String::as_str);
        Dialect::Postgres.value_at(steps, |text| self.binder.text(text))
    }

    fn column(&self, path: &FieldPath) -> Option<String> {
        Some(quote(&self.layout.column(path)?.name))
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionSchema, Filter};

    use super::*;
    use crate::dialect::MARK;

    fn sql(filter: &str, ask: impl FnOnce(Aggregation) -> Aggregation) -> Option<String> {
        let schema = r#"{"type": "object",
            "x-repository": {"collection": "m", "idField": "id", "indexes": [["kind", "size"]]},
            "properties": {"id": {"type": "string"}, "kind": {"type": "string"}}}"#;
        let schema = CollectionSchema::parse(schema).unwrap();
        let layout = CollectionLayout::new(Dialect::Postgres, &schema).unwrap();
        let asked = ask(Aggregation::new(Filter::parse(filter).unwrap()));
        let sql = GroupSelect::new(&layout, &asked)?.sql();
        Some(sql.replace(MARK, "$"))
    }

    #[test]
    fn what_columns_hold_is_counted_by_them() {
        let found = sql("{}", |all| all.group_by("kind").unwrap().count().unwrap());
        let expected = "SELECT to_jsonb(\"kind\"), count(*) FROM \"m_records\" \
            WHERE \"kind\" IS NOT NULL GROUP BY \"kind\" UNION ALL \
            SELECT coalesce(to_jsonb(\"kind\"), (\"document\" -> $1$::text)), count(*) \
            FROM \"m_records\" WHERE \"document\" IS NOT NULL AND (\"kind\" IS NULL) GROUP BY 1 \
            LIMIT 10001";
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn documents_are_looked_into_once_for_all_else() {
        let found = sql(r#"{"kind": "x"}"#, |all| {
            let all = all.group_by("kind").unwrap().group_by("a.b").unwrap();
            all.count().unwrap().sum("size").unwrap().max_groups(5).unwrap()
        });
        let size = "(\"document\" -> $5$::text)";
        let expected = format!(
            "SELECT coalesce(to_jsonb(\"kind\"), (\"document\" -> $2$::text)), \
             (\"document\" -> $3$::text -> $4$::text), count(*), \
             count(*) FILTER (WHERE jsonb_typeof({size}) = 'number'), \
             count(*) FILTER (WHERE jsonb_typeof({size}) = 'string'), \
             count(*) FILTER (WHERE jsonb_typeof({size}) IN ('null', 'boolean', 'array', 'object')), \
             sum(CASE WHEN jsonb_typeof({size}) = 'number' THEN ({size})::numeric END)::text \
             FROM \"m_records\" WHERE \"document\" IS NOT NULL AND \"kind\" = $1$ \
             GROUP BY 1, 2 LIMIT 6"
        );
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_filter_that_is_decided_again_leaves_it_to_the_engine() {
        let count = |all: Aggregation| all.count().unwrap();
        assert_eq!(sql(r#"{"kind": {"$regex": "x"}}"#, count), None);
        assert!(sql(r#"{"size": {"$lt": 5}}"#, count).is_some());
    }
}
