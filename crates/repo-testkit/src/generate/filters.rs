//! Filters and queries over the names that documents have.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use repo_core::{Filter, Query};

use super::values::{quoted, value};

/// What may be filtered, ordered and grouped by.
pub(super) const PATHS: [&str; 11] = [
    "status",
    "price",
    "count",
    "any",
    "owner",
    "rank",
    "free",
    "meta.kind",
    "meta",
    "any.a",
    "nowhere",
];

/// A query as a person would write it.
#[derive(Clone, PartialEq, Eq)]
pub struct QuerySpec {
    /// The filter as JSON text.
    pub filter: String,
    /// The order, `field` or `field:desc`.
    pub order: Option<String>,
    /// The size of a page.
    pub limit: Option<usize>,
}

impl QuerySpec {
    /// The query.
    #[must_use]
    pub fn query(&self) -> Query {
        let mut query = Query::new(Filter::parse(&self.filter).unwrap()).strong();
        if let Some(order) = &self.order {
            query = query.order_by(order).unwrap();
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit).unwrap();
        }
        query
    }
}

impl fmt::Debug for QuerySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.filter)?;
        if let Some(order) = &self.order {
            write!(f, " order by {order}")?;
        }
        if let Some(limit) = self.limit {
            write!(f, " {limit} a page")?;
        }
        Ok(())
    }
}

/// One condition on one field, as the member of an object.
fn condition() -> impl Strategy<Value = String> {
    let operator = select(&["$eq", "$ne", "$lt", "$le", "$gt", "$ge", "$contains"][..]);
    let text = prop_oneof![
        select(&["", "a", "ab", "a%", "a_", "1", "é", "on"][..]).prop_map(str::to_owned),
        "[a-b1]{0,2}",
    ];
    let pattern = select(&["", "a", "^a", "b$", "^$", "(?i)A", "\\d", "a.b", "é", "."][..]);
    // A plain object with a key such as `$eq` would be read as operators, so
    // bare values are not objects here; `$eq` has them.
    let bare = value().prop_filter("no object", |value| !value.starts_with('{'));
    let operand = prop_oneof![
        2 => bare,
        6 => (operator, value()).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}")),
        1 => vec(value(), 0..3).prop_map(|values| format!("{{\"$in\":[{}]}}", values.join(","))),
        1 => any::<bool>().prop_map(|exists| format!("{{\"$exists\":{exists}}}")),
        1 => text.prop_map(|text| format!("{{\"$begins_with\":{}}}", quoted(&text))),
        1 => pattern.prop_map(|text| format!("{{\"$regex\":{}}}", quoted(text))),
        1 => (value(), value()).prop_map(|(a, b)| format!("{{\"$ge\":{a},\"$lt\":{b}}}")),
        1 => value().prop_map(|value| format!("{{\"$not\":{{\"$le\":{value}}}}}")),
    ];
    (select(&PATHS[..]), operand).prop_map(|(path, operand)| format!("\"{path}\":{operand}"))
}

/// A filter as JSON text.
pub fn filter() -> impl Strategy<Value = String> {
    let single = prop_oneof![
        1 => Just("{}".to_owned()),
        8 => condition().prop_map(|condition| format!("{{{condition}}}")),
    ];
    single.prop_recursive(3, 8, 3, |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(|parts| parts.join(","));
        prop_oneof![
            list.clone().prop_map(|parts| format!("{{\"$and\":[{parts}]}}")),
            list.prop_map(|parts| format!("{{\"$or\":[{parts}]}}")),
            inner.prop_map(|part| format!("{{\"$not\":{part}}}")),
        ]
    })
}

/// A query: often ordered, often in small pages.
pub fn query() -> impl Strategy<Value = QuerySpec> {
    let order = (select(&PATHS[..]), select(&["", ":asc", ":desc"][..]))
        .prop_map(|(path, direction)| format!("{path}{direction}"));
    let limit = prop_oneof![Just(None), (1..6_usize).prop_map(Some)];
    (filter(), proptest::option::weighted(0.7, order), limit)
        .prop_map(|(filter, order, limit)| QuerySpec { filter, order, limit })
}
