//! Conditions on numbers.

use repo_core::{Comparison, Decimal};

use super::condition::Condition;
use super::pusher::{Place, Pusher, operator};
use crate::Dialect;
use crate::bind::Param;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;

impl Pusher<'_> {
    /// A number that compares so with `number`; without a comparison, equals it.
    pub(super) fn number(
        &mut self,
        place: &Place<'_>,
        comparison: Option<Comparison>,
        number: Decimal,
    ) -> Condition {
        match self.dialect {
            Dialect::Sqlite => self.near_number(place, comparison, number),
            Dialect::Postgres => self.exact_number(place, comparison, number),
        }
    }

    /// SQLite compares floats, so its bounds are a little wider than was asked.
    fn near_number(
        &mut self,
        place: &Place<'_>,
        comparison: Option<Comparison>,
        number: Decimal,
    ) -> Condition {
        let (value, guard) = match &place.column {
            Some((column, ColumnKind::Integer | ColumnKind::Number)) => (column.clone(), None),
            Some((column, ColumnKind::Scalar)) => {
                (column.clone(), Some(self.has_type(place, JsonType::Number)))
            }
            _ => {
                let at = self.at(place);
                let is_number = self.dialect.has_type(&at, &[JsonType::Number]);
                (self.dialect.extract(&at), Some(is_number))
            }
        };
        let (low, high) = bounds(number);
        let mut parts = Vec::new();
        if !matches!(comparison, Some(Comparison::Less | Comparison::LessOrEqual)) {
            parts.push(format!("{value} >= {}", self.binder.bind(Param::Real(low))));
        }
        if !matches!(comparison, Some(Comparison::Greater | Comparison::GreaterOrEqual)) {
            parts.push(format!("{value} <= {}", self.binder.bind(Param::Real(high))));
        }
        parts.extend(guard);
        let condition = Condition::wider(format!("({})", parts.join(" AND ")));
        if place.column.is_some() { condition.searching(&value) } else { condition }
    }

    /// PostgreSQL compares exact decimals. Among `jsonb` values numbers stand
    /// above strings.
    fn exact_number(
        &mut self,
        place: &Place<'_>,
        comparison: Option<Comparison>,
        number: Decimal,
    ) -> Condition {
        let operator = comparison.map_or("=", operator);
        let bound = self.binder.text(&number.to_string());
        match &place.column {
            Some((column, ColumnKind::Integer | ColumnKind::Number)) => {
                Condition::exact(format!("{column} {operator} {bound}::numeric")).searching(column)
            }
            Some((column, ColumnKind::Scalar)) => {
                let sql = format!(
                    "({column} {operator} to_jsonb({bound}::numeric) \
                     AND jsonb_typeof({column}) = 'number')"
                );
                Condition::exact(sql).searching(column)
            }
            _ => {
                let at = self.at(place);
                let value = self.dialect.typed_value(ColumnKind::Number, &at);
                Condition::exact(format!("({value} {operator} {bound}::numeric)"))
            }
        }
    }
}

/// Floats safely below and above a number. The database compares floats,
/// which it reads with 15 digits or better; 12 are left to it.
fn bounds(number: Decimal) -> (f64, f64) {
    let near = number.to_f64();
    let margin = near.abs() * 1e-12;
    (near - margin, near + margin)
}
