//! Which index would serve a query.

use repo_core::{CollectionSchema, FieldPath, QueryShape};

/// Most fields of an index that is proposed: what an index of DynamoDB has.
const MOST_FIELDS: usize = 2;

/// The index for queries of one shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Index {
    /// The schema declares one that can serve them.
    Declared(Vec<FieldPath>),
    /// One that the schema does not declare would.
    Proposed(Vec<FieldPath>),
}

/// The index that serves a shape; `None` where none can: nothing is demanded of a field, or of
/// the id alone.
pub(crate) fn index_for(schema: &CollectionSchema, shape: &QueryShape) -> Option<Index> {
    let not_id = |field: &&FieldPath| **field != schema.id_field;
    let equal: Vec<&FieldPath> = shape.equal.iter().filter(not_id).collect();
    let compared: Vec<&FieldPath> = shape.compared.iter().filter(not_id).collect();
    // Equal values are found by every store's index, a range not by those of each.
    let leading = if equal.is_empty() { &compared } else { &equal };
    let leads = |index: &&Vec<FieldPath>| index.first().is_some_and(|f| leading.contains(&f));
    if let Some(index) = schema.indexes.iter().find(leads) {
        return Some(Index::Declared(index.clone()));
    }
    let mut fields: Vec<FieldPath> = Vec::new();
    for field in equal.iter().copied().chain(compared.iter().copied()).chain(&shape.order) {
        if fields.len() < MOST_FIELDS && !fields.contains(field) && not_id(&field) {
            fields.push(field.clone());
        }
    }
    (!leading.is_empty()).then_some(Index::Proposed(fields))
}

#[cfg(test)]
mod tests {
    use repo_core::{Filter, Query};

    use super::*;

    fn found(filter: &str, order: Option<&str>) -> Option<(bool, String)> {
        let schema = CollectionSchema::builder("m", "id").index(&["status", "at"]).build().unwrap();
        let mut query = Query::new(Filter::parse(filter).unwrap());
        if let Some(order) = order {
            query = query.order_by(order).unwrap();
        }
        let names = |fields: Vec<FieldPath>| {
            fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        index_for(&schema, &QueryShape::of(&schema.collection, &query)).map(|index| match index {
            Index::Declared(fields) => (true, names(fields)),
            Index::Proposed(fields) => (false, names(fields)),
        })
    }

    #[test]
    fn equal_values_lead_and_what_narrows_or_orders_follows() {
        let proposed = |text: &str| Some((false, text.to_owned()));
        assert_eq!(found(r#"{"owner":"me"}"#, None), proposed("owner"));
        assert_eq!(found(r#"{"owner":"me","price":{"$lt":1}}"#, None), proposed("owner,price"));
        assert_eq!(found(r#"{"owner":"me"}"#, Some("at:desc")), proposed("owner,at"));
        assert_eq!(found(r#"{"b":1,"a":1,"c":1}"#, None), proposed("a,b"));
        assert_eq!(found(r#"{"price":{"$lt":1}}"#, Some("price")), proposed("price"));
        assert_eq!(found(r#"{"owner":"me"}"#, Some("id")), proposed("owner"));
    }

    #[test]
    fn what_is_declared_is_not_proposed() {
        let declared = Some((true, "status,at".to_owned()));
        assert_eq!(found(r#"{"status":"on","owner":"me"}"#, None), declared);
        assert_eq!(found(r#"{"status":{"$gt":"on"}}"#, None), declared);
        // The second field of an index alone finds nothing.
        assert_eq!(found(r#"{"at":1}"#, None), Some((false, "at".to_owned())));
    }

    #[test]
    fn some_queries_no_index_serves() {
        for filter in ["{}", r#"{"id":"m-1"}"#, r#"{"$or":[{"a":1}]}"#, r#"{"a":{"$regex":"x"}}"#] {
            assert_eq!(found(filter, Some("at")), None, "{filter}");
        }
    }
}
