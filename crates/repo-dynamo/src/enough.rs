//! How far an ordered query reads an index.

use repo_core::strategy::Position;
use repo_core::{CollectionName, Entity, Query, Result};

use crate::indexing::{value_text, value_text_of_key};
use crate::plan::IndexPlan;

/// When an ordered query needs no more of an index that gives the order: once
/// more than a page was found beyond the cursor, and all that tie with the
/// last of it. Ties of the index are more than those of the order: its sort
/// keys are cut, and ids stand behind them in the same direction.
pub(crate) struct Enough<'q> {
    query: &'q Query,
    ordered: bool,
    /// Only what differs from this is surely beyond the cursor.
    cursor: Option<String>,
    found: usize,
    last: Option<String>,
}

impl<'q> Enough<'q> {
    pub(crate) fn new(
        collection: &CollectionName,
        plan: &IndexPlan<'_>,
        query: &'q Query,
    ) -> Result<Self> {
        let mut cursor = None;
        if plan.ordered.is_some()
            && let Some(position) = query.cursor()
            && let Position::Ordered { key, .. } = position.position_in(collection, query)?
        {
            cursor = value_text_of_key(key);
        }
        Ok(Self { query, ordered: plan.ordered.is_some(), cursor, found: 0, last: None })
    }

    /// Whether this candidate and all behind it are not wanted any more.
    pub(crate) fn reached(&mut self, entity: &Entity) -> bool {
        let Some(order) = self.query.order().filter(|_| self.ordered) else { return false };
        let place = value_text(entity.document.get(&order.path).as_ref());
        if let Some(last) = &self.last {
            return place != *last;
        }
        if self.cursor.as_ref() != Some(&place) {
            self.found += 1;
            if self.found > self.query.page_size() {
                self.last = Some(place);
            }
        }
        false
    }
}
