//! Which index answers a query, and which part of it has to be read.

use repo_core::strategy::SortKey;
use repo_core::{Comparison, Direction, FieldPath, Filter, Order, Predicate, Value};

use crate::indexing::{ABOVE_SEPARATOR, hash_text, value_text, value_text_of_key};
use crate::layout::{Index, Layout};

/// Most values of the leading field that are looked up one by one; more are
/// found by a scan.
const MOST_LOOKUPS: usize = 100;

/// A way through one index.
#[derive(Debug, Clone)]
pub(crate) struct IndexPlan<'a> {
    pub(crate) index: &'a Index,
    /// The partition keys to look up, in order, each once.
    pub(crate) hashes: Vec<String>,
    /// The part of each partition to read.
    pub(crate) bounds: Bounds,
    /// Whether the index gives the order that the query asks for.
    pub(crate) ordered: Option<Direction>,
}

/// An interval of sort keys, both ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: Option<String>,
    pub(crate) high: Option<String>,
}

impl Bounds {
    fn at_least(&mut self, low: String) {
        if self.low.as_ref().is_none_or(|known| *known < low) {
            self.low = Some(low);
        }
    }

    fn at_most(&mut self, high: String) {
        if self.high.as_ref().is_none_or(|known| *known > high) {
            self.high = Some(high);
        }
    }

    /// Whether nothing can lie between.
    pub(crate) fn is_empty(&self) -> bool {
        matches!((&self.low, &self.high), (Some(low), Some(high)) if low > high)
    }
}

/// The index that fits a filter best: with the most of its fields bound, and
/// among those one that gives the order.
pub(crate) fn choose<'a>(
    layout: &'a Layout,
    filter: &Filter,
    order: Option<&Order>,
) -> Option<IndexPlan<'a>> {
    let plans = layout.indexes.iter().filter_map(|index| plan(index, filter, order));
    plans.max_by_key(|plan| {
        let bound = plan.bounds != Bounds::default();
        (bound, plan.ordered.is_some(), std::cmp::Reverse(plan.hashes.len()))
    })
}

fn plan<'a>(index: &'a Index, filter: &Filter, order: Option<&Order>) -> Option<IndexPlan<'a>> {
    let leading = index.fields.first().filter(|_| index.ready)?;
    let values = filter.required_values(leading)?;
    if values.len() > MOST_LOOKUPS {
        return None;
    }
    let mut hashes: Vec<String> = values.iter().map(|value| hash_text(Some(value))).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let mut bounds = Bounds::default();
    let mut ordered = None;
    if let Some(second) = index.fields.get(1) {
        narrow(&mut bounds, filter, second);
        ordered = order
            .filter(|order| order.path == *second && hashes.len() == 1)
            .map(|order| order.direction);
    }
    Some(IndexPlan { index, hashes, bounds, ordered })
}

/// Narrows the sort keys by what the filter demands of the second field. What
/// lies outside cannot match; what lies inside is filtered again.
fn narrow(bounds: &mut Bounds, filter: &Filter, path: &FieldPath) {
    match filter {
        Filter::And(parts) => parts.iter().for_each(|part| narrow(bounds, part, path)),
        Filter::Field(field, predicate) if field == path => match predicate {
            Predicate::Eq(value) => {
                bounds.at_least(value_text(Some(value)));
                bounds.at_most(above(value));
            }
            Predicate::Compare(comparison, value) => compare(bounds, *comparison, value),
            Predicate::BeginsWith(start) => {
                bounds.at_least(value_text(Some(&Value::String(start.clone()))));
                bounds.at_most(end_of_type(&Value::String(String::new())));
            }
            _ => {}
        },
        _ => {}
    }
}

fn compare(bounds: &mut Bounds, comparison: Comparison, value: &Value) {
    if !matches!(value, Value::Number(_) | Value::String(_)) {
        return;
    }
    match comparison {
        Comparison::Less | Comparison::LessOrEqual => {
            bounds.at_least(start_of_type(value));
            bounds.at_most(above(value));
        }
        Comparison::Greater | Comparison::GreaterOrEqual => {
            bounds.at_least(value_text(Some(value)));
            bounds.at_most(end_of_type(value));
        }
    }
}

/// Above every sort key of a value.
fn above(value: &Value) -> String {
    format!("{}{ABOVE_SEPARATOR}", value_text(Some(value)))
}

/// The tag of a value's type, which every sort key of the type begins with.
fn start_of_type(value: &Value) -> String {
    value_text(Some(value)).chars().take(1).collect()
}

/// The tag of the next type: above every sort key of this one.
fn end_of_type(value: &Value) -> String {
    let tag = start_of_type(value);
    tag.chars().filter_map(|tag| char::from_u32(u32::from(tag) + 1)).collect()
}

impl IndexPlan<'_> {
    /// Leaves out what lies before the place where the page before ended, in
    /// a plan that gives the order.
    pub(crate) fn start_at(&mut self, key: &SortKey) {
        let (Some(direction), Some(text)) = (self.ordered, value_text_of_key(key)) else { return };
        match direction {
            Direction::Ascending => self.bounds.at_least(text),
            Direction::Descending => self.bounds.at_most(format!("{text}{ABOVE_SEPARATOR}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionName, CollectionSchema, Query};

    use super::*;

    fn layout() -> Layout {
        let mut schema = CollectionSchema::undeclared(CollectionName::new("c").unwrap());
        let path = |text: &str| FieldPath::parse(text).unwrap();
        schema.indexes = vec![vec![path("status")], vec![path("owner"), path("at")]];
        let mut indexes = Index::of_schema(&schema);
        indexes.iter_mut().for_each(|index| index.ready = true);
        Layout { table: "t".to_owned(), schema, generation: 1, indexes }
    }

    fn chosen(filter: &str, order: Option<&str>) -> Option<(String, Vec<String>, bool)> {
        let layout = layout();
        let mut query = Query::new(Filter::parse(filter).unwrap());
        if let Some(order) = order {
            query = query.order_by(order).unwrap();
        }
        let plan = choose(&layout, query.filter(), query.order())?;
        Some((plan.index.name.clone(), plan.hashes, plan.ordered.is_some()))
    }

    fn plan_of(filter: &str) -> Bounds {
        let layout = layout();
        choose(&layout, &Filter::parse(filter).unwrap(), None).unwrap().bounds
    }

    #[test]
    fn an_index_is_chosen_by_its_leading_field() {
        let by_status = |hashes: &[&str]| {
            let hashes = hashes.iter().map(ToString::to_string).collect();
            Some(("status-index".to_owned(), hashes, false))
        };
        assert_eq!(chosen(r#"{"status":"on"}"#, None), by_status(&["5on"]));
        assert_eq!(chosen(r#"{"status":{"$in":["b","a","b"]}}"#, None), by_status(&["5a", "5b"]));
        assert_eq!(chosen(r#"{"status":null}"#, None), by_status(&["1"]));
        assert_eq!(chosen(r#"{"status":{"$in":[]}}"#, None), by_status(&[]));
        assert_eq!(chosen(r#"{"status":{"$ne":"on"}}"#, None), None);
        assert_eq!(chosen(r#"{"at":1}"#, None), None);
        assert_eq!(chosen(r#"{"$or":[{"status":"on"}]}"#, None), None);
        let many: Vec<usize> = (0..101).collect();
        assert_eq!(chosen(&format!("{{\"status\":{{\"$in\":{many:?}}}}}"), None), None);
        let owner = chosen(r#"{"owner":"me","status":"on"}"#, Some("at:desc")).unwrap();
        assert_eq!((owner.0.as_str(), owner.2), ("owner-at-index", true));
        let bound = chosen(r#"{"owner":"me","status":"on","at":{"$gt":1}}"#, None).unwrap();
        assert_eq!(bound.0, "owner-at-index");
    }

    #[test]
    fn the_second_field_narrows_the_sort_keys() {
        let with = |text: &str| plan_of(&format!("{{\"owner\":\"me\",\"at\":{text}}}"));
        let half = with(r#"{"$ge":"2026","$lt":"2027"}"#);
        assert_eq!(half.low.as_deref(), Some("52026"));
        assert_eq!(half.high.as_deref(), Some("52027\u{1}"));
        assert!(with(r#"{"$gt":"b","$lt":"a"}"#).is_empty());
        assert_eq!(with(r#"{"$lt":true}"#), Bounds::default());
        assert_eq!(with(r#"{"$exists":true}"#), Bounds::default());
        assert_eq!(with(r#"{"$begins_with":"x"}"#).high.as_deref(), Some("6"));
    }
}
