//! Looking for one entity that refers to what is about to be deleted.

use std::collections::BTreeSet;

use repo_core::{
    CollectionSchema, EntityId, Error, ErrorKind, FieldPath, Filter, Key, Predicate, Query, Result,
    Value,
};

use super::plan::Plan;
use super::refusals::referred_to;
use super::rules::Rules;
use crate::Inner;

/// Most ids that one query asks for.
const IDS_AT_ONCE: usize = 100;
/// Most entities in a page. Mostly there is none, and one is enough.
const PAGE: usize = 16;

/// Looks for who refers to what a commit deletes, other than what it rewrites itself: one
/// query for each field that may refer to it, two where the field may hold several ids.
///
/// # Errors
/// The refusal of the commit, for the first that is found; what the store reports.
pub(super) async fn check_unreferred(inner: &Inner, rules: &Rules, plan: &Plan) -> Result<()> {
    for (target, ids) in plan.removed() {
        let fields: Vec<_> = rules.referring_to(target).collect();
        for (schema, field) in fields {
            for ids in ids.chunks(IDS_AT_ONCE) {
                let search = Search { inner, plan, schema, field, ids: ids.iter().collect() };
                if let Some((by, id)) = search.first().await? {
                    return Err(referred_to(&Key::new(target.clone(), id), &by, field));
                }
            }
        }
    }
    Ok(())
}

/// One field of one collection, and the ids that it must not hold.
struct Search<'a> {
    inner: &'a Inner,
    plan: &'a Plan,
    schema: &'a CollectionSchema,
    field: &'a FieldPath,
    ids: BTreeSet<&'a EntityId>,
}

impl Search<'_> {
    /// The first entity that refers to one of them, and to which.
    async fn first(&self) -> Result<Option<(Key, EntityId)>> {
        for filter in self.filters() {
            match self.matching(filter).await {
                // Where there is no collection, nothing refers.
                Err(error) if is_unprepared(&error) => return Ok(None),
                Ok(None) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// Filters that all who refer match, and others perhaps. The first one can be answered by
    /// an index.
    fn filters(&self) -> Vec<Filter> {
        let values = || self.ids.iter().map(|id| Value::String(id.to_string()));
        let at_field = |predicate| Filter::Field(self.field.clone(), predicate);
        let mut filters = vec![at_field(Predicate::In(values().collect()))];
        if !self.schema.refers_once(self.field) {
            let contains = values().map(|value| at_field(Predicate::Contains(value)));
            filters.push(Filter::Or(contains.collect()));
        }
        filters
    }

    async fn matching(&self, filter: Filter) -> Result<Option<(Key, EntityId)>> {
        let collection = &self.schema.collection;
        let mut query = Query::new(filter).limit(PAGE)?.strong();
        loop {
            let page = self.inner.query(collection, &query).await?;
            for entity in page.entities {
                let key = Key::new(collection.clone(), entity.id.clone());
                let referred = self.schema.referred_ids(self.field, &entity.document);
                let to = self.ids.iter().find(|id| referred.iter().any(|r| r == id.as_str()));
                if let Some(to) = to.filter(|_| !self.plan.rewrites(&key)) {
                    return Ok(Some((key, (*to).clone())));
                }
            }
            match page.next {
                Some(cursor) => query = query.after(cursor),
                None => return Ok(None),
            }
        }
    }
}

fn is_unprepared(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
