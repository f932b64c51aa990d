//! From a filter to a condition in SQL that every match satisfies.
//!
//! The condition may let more through than the filter; then it is not
//! *exact*, and what comes back is filtered again. SQL's logic has three
//! values: a condition counts as true only when it is TRUE, and NULL as false.
//! AND and OR keep that; a negation is written `IS NOT TRUE`, and only of what
//! is exact.

mod condition;
mod number;
mod pusher;
mod text;

use repo_core::{Comparison, FieldPath, Filter, Predicate, Value};

pub(crate) use self::condition::Condition;
use self::pusher::{Place, Pusher, operator};
use crate::bind::Binder;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;
use crate::layout::CollectionLayout;

/// Most parts of a filter in one statement; beyond it the rest is left to the
/// filter itself. SQLite: an expression is at most 1,000 levels deep, and a
/// chain of ORs counts each of them.
const MAX_PARTS: usize = 200;
/// Deepest nesting that is pushed.
const MAX_NESTING: usize = 40;

/// The condition for `filter` on the rows of a collection's table.
pub(crate) fn push(filter: &Filter, layout: &CollectionLayout, binder: &mut Binder) -> Condition {
    Pusher::new(layout, binder).filter(filter, 0)
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
        let searched = parts.into_iter().flat_map(|part| part.searched).collect();
        Condition { sql, exact, only_live, searched }
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
        Condition { exact, only_live, ..Condition::exact(format!("({})", sql.join(" OR "))) }
    }

    fn not(&mut self, part: &Filter, nesting: usize) -> Condition {
        let mark = self.binder.len();
        let inner = self.filter(part, nesting);
        if inner.exact {
            let sql = format!("({}) IS NOT TRUE", inner.sql);
            return Condition { only_live: false, ..Condition::exact(sql) };
        }
        self.binder.truncate(mark);
        Condition::anything()
    }

    fn field(&mut self, path: &FieldPath, predicate: &Predicate) -> Condition {
        if !self.dialect.can_name(path.steps().iter().map(String::as_str)) {
            return Condition::anything();
        }
        let column = self.column(path);
        let place = Place { path, column, is_id: *path == self.layout.id_field };
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

    fn equals(&mut self, place: &Place<'_>, value: &Value) -> Condition {
        match value {
            Value::Null => Condition::exact(self.has_type(place, JsonType::Null)),
            Value::Bool(value) => self.equals_bool(place, *value),
            Value::Number(number) => self.number(place, None, *number),
            Value::String(text) => self.equals_text(place, text),
            Value::Array(_) => Condition::wider(self.has_type(place, JsonType::Array)),
            Value::Object(_) => Condition::wider(self.has_type(place, JsonType::Object)),
        }
    }

    fn equals_bool(&mut self, place: &Place<'_>, value: bool) -> Condition {
        if let Some((column, ColumnKind::Boolean)) = &place.column {
            let word = if value { "TRUE" } else { "FALSE" };
            return Condition::exact(format!("{column} = {word}")).searching(column);
        }
        let json_type = if value { JsonType::True } else { JsonType::False };
        Condition::exact(self.has_type(place, json_type))
    }

    /// Strings and others apart.
    fn one_of(&mut self, place: &Place<'_>, values: &[Value]) -> Condition {
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
            let texts = texts.into_iter().map(str::to_owned).collect();
            parts.push(self.one_of_texts(place, texts));
        }
        parts.extend(others.into_iter().map(|value| self.equals(place, value)));
        match parts.len() {
            0 => Condition::never(),
            1 => parts.remove(0),
            _ => Condition {
                exact: parts.iter().all(|part| part.exact),
                only_live: parts.iter().all(|part| part.only_live),
                ..Condition::exact(format!(
                    "({})",
                    parts.iter().map(|part| part.sql.as_str()).collect::<Vec<_>>().join(" OR ")
                ))
            },
        }
    }

    fn compare(&mut self, place: &Place<'_>, comparison: Comparison, value: &Value) -> Condition {
        match value {
            Value::Number(number) => self.number(place, Some(comparison), *number),
            Value::String(text) => self.text_condition(place, |pusher, column| {
                let text = pusher.binder.text(text);
                format!("{column} {} {text}", operator(comparison))
            }),
            _ => Condition::never(),
        }
    }

    fn exists(&mut self, place: &Place<'_>, exists: bool) -> Condition {
        let at = self.at(place);
        let there = self.dialect.is_there(&at);
        if exists {
            return Condition::exact(there);
        }
        let sql = format!("({there}) IS NOT TRUE");
        Condition { only_live: false, ..Condition::exact(sql) }
    }
}

#[cfg(all(test, feature = "postgres"))]
mod postgres_tests;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
