//! What a query asks for, without the values.

use serde::{Deserialize, Serialize};

use crate::{CollectionName, FieldPath, Filter, Predicate, Query};

/// What a query asks for, without the values: enough to say which index would serve it, and
/// nothing of what is stored.
///
/// ```
/// use repo_core::{Filter, Query, QueryShape};
///
/// let filter = Filter::parse(r#"{"owner": "me", "price": {"$lt": 10}}"#)?;
/// let shape = QueryShape::of(&"machines".parse()?, &Query::new(filter));
/// assert_eq!(shape.equal[0].to_string(), "owner");
/// assert_eq!(shape.compared[0].to_string(), "price");
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueryShape {
    /// The collection.
    pub collection: CollectionName,
    /// The fields that must have one of some values, by `$eq` and `$in`; each once, in order.
    /// Only what every match must satisfy is here, and in `compared`: not what stands in `$or`
    /// or `$not`.
    pub equal: Vec<FieldPath>,
    /// The fields whose values are compared, by `$lt`, `$le`, `$gt`, `$ge` and
    /// `$begins_with`; each once, in order.
    pub compared: Vec<FieldPath>,
    /// The field that the answer is ordered by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<FieldPath>,
}

/// How often pages of one shape were asked for, as a line of a record of queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedQueries {
    /// What was asked.
    #[serde(flatten)]
    pub shape: QueryShape,
    /// How many pages were read.
    pub pages: u64,
    /// For how many of them the store read record by record.
    pub scans: u64,
    /// How many entities were on them together.
    pub returned: u64,
}

impl QueryShape {
    /// The shape of a query.
    #[must_use]
    pub fn of(collection: &CollectionName, query: &Query) -> Self {
        let mut shape = Self {
            collection: collection.clone(),
            equal: Vec::new(),
            compared: Vec::new(),
            order: query.order().map(|order| order.path.clone()),
        };
        shape.demand(query.filter());
        for fields in [&mut shape.equal, &mut shape.compared] {
            fields.sort_unstable();
            fields.dedup();
        }
        shape
    }

    /// Notes what a filter demands of every match.
    fn demand(&mut self, filter: &Filter) {
        match filter {
            Filter::And(parts) => parts.iter().for_each(|part| self.demand(part)),
            Filter::Field(path, Predicate::Eq(_) | Predicate::In(_)) => {
                self.equal.push(path.clone());
            }
            Filter::Field(path, Predicate::Compare(..) | Predicate::BeginsWith(_)) => {
                self.compared.push(path.clone());
            }
            Filter::Field(..) | Filter::Or(_) | Filter::Not(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(filter: &str) -> String {
        let query = Query::new(Filter::parse(filter).unwrap()).order_by("at:desc").unwrap();
        serde_json::to_string(&QueryShape::of(&CollectionName::new("m").unwrap(), &query)).unwrap()
    }

    #[test]
    fn the_shape_has_fields_and_no_values() {
        let filter = r#"{"b":1,"a":{"$in":["x"]},"$and":[{"b":{"$ge":"secret"}},{"c.d":{"$begins_with":"s"}}]}"#;
        let expected =
            r#"{"collection":"m","equal":["a","b"],"compared":["b","c.d"],"order":"at"}"#;
        assert_eq!(shape(filter), expected);
        let read: QueryShape = serde_json::from_str(expected).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), expected);
    }

    #[test]
    fn what_not_every_match_satisfies_is_left_out() {
        let none = r#"{"collection":"m","equal":[],"compared":[],"order":"at"}"#;
        for filter in [
            r#"{"$or":[{"a":1},{"b":1}]}"#,
            r#"{"$not":{"a":1}}"#,
            r#"{"a":{"$ne":1}}"#,
            r#"{"a":{"$regex":"x"},"b":{"$exists":true},"c":{"$contains":1}}"#,
        ] {
            assert_eq!(shape(filter), none, "{filter}");
        }
    }

    #[test]
    fn a_path_that_is_none_is_not_read() {
        let text = r#"{"collection":"m","equal":["a..b"],"compared":[]}"#;
        assert!(serde_json::from_str::<QueryShape>(text).is_err());
    }
}
