//! From a filter to a condition in SQL that every match satisfies.
//!
//! The condition may let more through than the filter; then it is not
//! *exact*, and what comes back is filtered again. SQL's logic has three
//! values: a condition counts as true only when it is TRUE, and NULL as false.
//! AND and OR keep that; a negation is written `IS NOT TRUE`, and only of what
//! is exact.

use repo_core::{Comparison, Decimal, FieldPath, Filter, Predicate, Value};

use crate::Dialect;
use crate::bind::{Binder, Param};
use crate::dialect::JsonType;
use crate::layout::{CollectionLayout, ColumnKind};
use crate::names::quote;

/// Most parts of a filter in one statement; beyond it the rest is left to the
/// filter itself. SQLite: an expression is at most 1,000 levels deep, and a
/// chain of ORs counts each of them.
const MAX_PARTS: usize = 200;
/// Deepest nesting that is pushed.
const MAX_NESTING: usize = 40;

/// A condition for WHERE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    /// Whether it lets through nothing but matches.
    pub(crate) exact: bool,
    /// Whether it is never true for a tombstone.
    pub(crate) only_live: bool,
}

impl Condition {
    fn exact(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), exact: true, only_live: true }
    }

    fn wider(sql: impl Into<String>) -> Self {
        Self { exact: false, ..Self::exact(sql) }
    }

    fn never() -> Self {
        Self::exact("FALSE")
    }

    /// Lets everything through and says nothing.
    fn anything() -> Self {
        Self { sql: "TRUE".to_owned(), exact: false, only_live: false }
    }

    /// Whether it parts_seen out nothing.
    pub(crate) fn is_anything(&self) -> bool {
        self.sql == "TRUE"
    }
}

/// The condition for `filter` on the rows of a collection's table.
pub(crate) fn push(filter: &Filter, layout: &CollectionLayout, binder: &mut Binder) -> Condition {
    Pusher { dialect: binder.dialect(), layout, binder, parts_seen: 0 }.filter(filter, 0)
}

struct Pusher<'a> {
    dialect: Dialect,
    layout: &'a CollectionLayout,
    binder: &'a mut Binder,
    parts_seen: usize,
}

impl Pusher<'_> {
    fn filter(&mut self, filter: &Filter, nesting: usize) -> Condition {
        self.parts_seen += 1;
        if nesting > MAX_NESTING || self.parts_seen > MAX_PARTS {
            return Condition::anything();
        }
        match filter {
            Filter::And(parts) => self.all(parts, nesting + 1),
            Filter::Or(parts) => self.any(parts, nesting + 1),
            Filter::Not(part) => self.not(part, nesting + 1),
            Filter::Field(path, predicate) => self.field(path, predicate),
            _ => Condition::anything(),
        }
    }

    fn all(&mut self, parts: &[Filter], nesting: usize) -> Condition {
        let parts: Vec<Condition> = parts.iter().map(|part| self.filter(part, nesting)).collect();
        let exact = parts.iter().all(|part| part.exact);
        let only_live = parts.iter().any(|part| part.only_live);
        let said: Vec<&str> =
            parts.iter().filter(|part| !part.is_anything()).map(|part| part.sql.as_str()).collect();
        let sql = match said.as_slice() {
            [] => "TRUE".to_owned(),
            said => format!("({})", said.join(" AND ")),
        };
        Condition { sql, exact, only_live }
    }

    fn any(&mut self, parts: &[Filter], nesting: usize) -> Condition {
        let mark = self.binder.len();
        let parts: Vec<Condition> = parts.iter().map(|part| self.filter(part, nesting)).collect();
        if parts.is_empty() {
            return Condition::never();
        }
        let exact = parts.iter().all(|part| part.exact);
        if parts.iter().any(Condition::is_anything) {
            self.binder.truncate(mark);
            return Condition { exact, ..Condition::anything() };
        }
        let only_live = parts.iter().all(|part| part.only_live);
        let sql: Vec<&str> = parts.iter().map(|part| part.sql.as_str()).collect();
        Condition { sql: format!("({})", sql.join(" OR ")), exact, only_live }
    }

    fn not(&mut self, part: &Filter, nesting: usize) -> Condition {
        let mark = self.binder.len();
        let inner = self.filter(part, nesting);
        if inner.exact {
            let sql = format!("({}) IS NOT TRUE", inner.sql);
            return Condition { sql, exact: true, only_live: false };
        }
        self.binder.truncate(mark);
        Condition::anything()
    }

    fn field(&mut self, path: &FieldPath, predicate: &Predicate) -> Condition {
        let Some(json_path) = self.dialect.json_path(path.steps().iter().map(String::as_str))
        else {
            return Condition::anything();
        };
        let place =
            Place { json_path, column: self.column(path), is_id: *path == self.layout.id_field };
        match predicate {
            Predicate::Eq(value) => self.equals(&place, value),
            Predicate::In(values) => self.one_of(&place, values),
            Predicate::Compare(comparison, value) => self.compare(&place, *comparison, value),
            Predicate::Exists(exists) => self.exists(&place, *exists),
            Predicate::BeginsWith(start) => self.begins_with(&place, start),
            Predicate::Contains(value) => self.contains(&place, value),
            Predicate::Regex(_) => {
                let text = self.has_type(&place, JsonType::Text);
                Condition::wider(text)
            }
            _ => Condition::anything(),
        }
    }

    /// The column that holds the field, and of which kind.
    fn column(&self, path: &FieldPath) -> Option<(String, ColumnKind)> {
        if *path == self.layout.id_field {
            return Some((quote(&self.layout.id_column), ColumnKind::Text));
        }
        let column = self.layout.column(path)?;
        Some((quote(&column.name), column.kind))
    }

    fn path(&mut self, place: &Place) -> String {
        self.binder.text(&place.json_path)
    }

    fn has_type(&mut self, place: &Place, json_type: JsonType) -> String {
        let path = self.path(place);
        self.dialect.has_type(&path, &[json_type])
    }

    fn equals(&mut self, place: &Place, value: &Value) -> Condition {
        match value {
            Value::Null => Condition::exact(self.has_type(place, JsonType::Null)),
            Value::Bool(value) => self.equals_bool(place, *value),
            Value::Number(number) => {
                let (low, high) = bounds(*number);
                self.between(place, Some(low), Some(high))
            }
            Value::String(text) => self.text_condition(place, |pusher, column| {
                let text = pusher.binder.text(text);
                format!("{column} = {text}")
            }),
            Value::Array(_) => Condition::wider(self.has_type(place, JsonType::Array)),
            Value::Object(_) => Condition::wider(self.has_type(place, JsonType::Object)),
        }
    }

    fn equals_bool(&mut self, place: &Place, value: bool) -> Condition {
        if let Some((column, ColumnKind::Boolean)) = &place.column {
            return Condition::exact(format!("{column} = {}", u8::from(value)));
        }
        let json_type = if value { JsonType::True } else { JsonType::False };
        Condition::exact(self.has_type(place, json_type))
    }

    /// Strings go into one list, so that the statement does not grow with it.
    fn one_of(&mut self, place: &Place, values: &[Value]) -> Condition {
        let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let others: Vec<&Value> = values.iter().filter(|value| value.as_str().is_none()).collect();
        if others.len() > MAX_PARTS.saturating_sub(self.parts_seen) {
            return Condition::anything();
        }
        self.parts_seen += others.len();
        let mut parts: Vec<Condition> = Vec::new();
        if let [text] = texts.as_slice() {
            parts.push(self.equals(place, &Value::String((*text).to_owned())));
        } else if !texts.is_empty() {
            let Ok(list) = serde_json::to_string(&texts) else { return Condition::anything() };
            parts.push(self.text_condition(place, |pusher, column| {
                let list = pusher.binder.text(&list);
                pusher.dialect.in_texts(column, &list)
            }));
        }
        parts.extend(others.into_iter().map(|value| self.equals(place, value)));
        match parts.len() {
            0 => Condition::never(),
            1 => parts.remove(0),
            _ => Condition {
                exact: parts.iter().all(|part| part.exact),
                only_live: parts.iter().all(|part| part.only_live),
                sql: format!(
                    "({})",
                    parts.iter().map(|part| part.sql.as_str()).collect::<Vec<_>>().join(" OR ")
                ),
            },
        }
    }

    fn compare(&mut self, place: &Place, comparison: Comparison, value: &Value) -> Condition {
        match value {
            Value::Number(number) => {
                let (low, high) = bounds(*number);
                match comparison {
                    Comparison::Less | Comparison::LessOrEqual => {
                        self.between(place, None, Some(high))
                    }
                    Comparison::Greater | Comparison::GreaterOrEqual => {
                        self.between(place, Some(low), None)
                    }
                }
            }
            Value::String(text) => self.text_condition(place, |pusher, column| {
                let text = pusher.binder.text(text);
                let operator = match comparison {
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                format!("{column} {operator} {text}")
            }),
            _ => Condition::never(),
        }
    }

    fn exists(&mut self, place: &Place, exists: bool) -> Condition {
        let path = self.path(place);
        let there = self.dialect.is_there(&path);
        if exists {
            return Condition::exact(there);
        }
        let sql = format!("({there}) IS NOT TRUE");
        Condition { sql, exact: true, only_live: false }
    }

    /// As a range, which an index serves: the strings that begin with `start`
    /// are those from it up to the next string of its length.
    fn begins_with(&mut self, place: &Place, start: &str) -> Condition {
        let end = after_prefix(start);
        self.text_condition(place, |pusher, column| {
            let low = pusher.binder.text(start);
            match &end {
                None => format!("{column} >= {low}"),
                Some(end) => {
                    let high = pusher.binder.text(end);
                    format!("({column} >= {low} AND {column} < {high})")
                }
            }
        })
    }

    fn contains(&mut self, place: &Place, value: &Value) -> Condition {
        let Some(part) = value.as_str() else {
            return Condition::wider(self.has_type(place, JsonType::Array));
        };
        let path = self.path(place);
        let part = self.binder.text(part);
        let is_text = self.dialect.has_type(&path, &[JsonType::Text]);
        let is_array = self.dialect.has_type(&path, &[JsonType::Array]);
        let in_text = self.dialect.holds_text(&self.dialect.extract(&path), &part);
        let in_array = self.dialect.array_holds_text(&path, &part);
        Condition::exact(format!("(({is_text} AND {in_text}) OR ({is_array} AND {in_array}))"))
    }

    /// A condition on the string at `place`: on its column where that holds
    /// strings, else on the document.
    fn text_condition(
        &mut self,
        place: &Place,
        condition: impl FnOnce(&mut Self, &str) -> String,
    ) -> Condition {
        match &place.column {
            Some((column, ColumnKind::Text)) => {
                // A tombstone keeps its id.
                let only_live = !place.is_id;
                Condition { only_live, ..Condition::exact(condition(self, column)) }
            }
            // A number in the column is less than any string.
            Some((column, ColumnKind::Scalar)) => {
                let sql = condition(self, column);
                let is_text = self.has_type(place, JsonType::Text);
                Condition::exact(format!("({sql} AND {is_text})"))
            }
            _ => {
                let path = self.path(place);
                let is_text = self.dialect.has_type(&path, &[JsonType::Text]);
                let value = self.dialect.extract(&path);
                let sql = condition(self, &value);
                Condition::exact(format!("({is_text} AND {sql})"))
            }
        }
    }

    /// A number between bounds, which are a little wider than was asked.
    fn between(&mut self, place: &Place, low: Option<f64>, high: Option<f64>) -> Condition {
        let (value, guard) = match &place.column {
            Some((column, ColumnKind::Integer | ColumnKind::Number)) => (column.clone(), None),
            Some((column, ColumnKind::Scalar)) => {
                (column.clone(), Some(self.has_type(place, JsonType::Number)))
            }
            _ => {
                let path = self.path(place);
                let is_number = self.dialect.has_type(&path, &[JsonType::Number]);
                (self.dialect.extract(&path), Some(is_number))
            }
        };
        let mut parts = Vec::new();
        if let Some(low) = low {
            parts.push(format!("{value} >= {}", self.binder.bind(Param::Real(low))));
        }
        if let Some(high) = high {
            parts.push(format!("{value} <= {}", self.binder.bind(Param::Real(high))));
        }
        parts.extend(guard);
        Condition::wider(format!("({})", parts.join(" AND ")))
    }
}

/// Where a field is found.
struct Place {
    json_path: String,
    column: Option<(String, ColumnKind)>,
    is_id: bool,
}

/// Floats safely below and above a number. The database compares floats,
/// which it reads with 15 digits or better; 12 are left to it.
fn bounds(number: Decimal) -> (f64, f64) {
    let near = number.to_f64();
    let margin = near.abs() * 1e-12;
    (near - margin, near + margin)
}

/// The least string that is greater than every string beginning with `start`;
/// `None` when there is none. UTF-8 bytes order as characters do.
fn after_prefix(start: &str) -> Option<String> {
    let mut chars: Vec<char> = start.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            char::MAX => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
