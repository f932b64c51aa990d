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
        let groups = match self.columns_of_all() {
            Some(columns) => self.counted_by_columns(&columns),
            None => self.grouped(""),
        };
        let most = self.aggregation.group_limit() + 1;
        let values = self.binder.into_params().into_iter().map(Into::into);
        Statement::made(format!("{groups} LIMIT {most}"), values)
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
