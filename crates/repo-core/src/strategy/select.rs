//! Choosing one page out of candidates, in bounded memory: what a strategy
//! uses when its store cannot filter, order or page exactly by itself.

use std::collections::BinaryHeap;

use crate::strategy::{Position, SortKey};
use crate::{CollectionName, Cursor, Direction, Entity, EntityId, Page, Plan, Query, Result};

/// Takes candidates one by one and keeps at most one page of them.
///
/// Without an order the candidates have to come in the store's own order and
/// start after the cursor. With an order they may come in any order.
#[derive(Debug)]
pub struct Selector<'q> {
    collection: &'q CollectionName,
    query: &'q Query,
    after: Option<Rank>,
    found: Found,
    overflow: bool,
}

#[derive(Debug)]
enum Found {
    InStoreOrder(Vec<Entity>),
    Ordered(BinaryHeap<Ranked>),
}

impl<'q> Selector<'q> {
    /// A selector for one page of `query`.
    ///
    /// # Errors
    /// `Invalid` when the query's cursor belongs to another query.
    pub fn new(collection: &'q CollectionName, query: &'q Query) -> Result<Self> {
        let position = match query.cursor() {
            Some(cursor) => Some(cursor.position_in(collection, query)?),
            None => None,
        };
        let direction = query.order().map(|order| order.direction);
        let after = match (position, direction) {
            (Some(Position::Ordered { key, id }), Some(direction)) => {
                Some(Rank { direction, key: key.clone(), id: id.clone() })
            }
            _ => None,
        };
        let found = match direction {
            None => Found::InStoreOrder(Vec::new()),
            Some(_) => Found::Ordered(BinaryHeap::new()),
        };
        Ok(Self { collection, query, after, found, overflow: false })
    }

    /// Offers a candidate. Returns whether more are wanted: `false` once an
    /// unordered page is full and known not to be the last.
    pub fn offer(&mut self, entity: Entity) -> bool {
        if self.query.filter().matches(&entity.document) { self.keep(entity) } else { true }
    }

    /// Offers a candidate that is known to match the filter.
    pub fn keep(&mut self, entity: Entity) -> bool {
        let limit = self.query.page_size();
        match &mut self.found {
            Found::InStoreOrder(entities) => {
                if entities.len() == limit {
                    self.overflow = true;
                    return false;
                }
                entities.push(entity);
            }
            Found::Ordered(heap) => {
                let Some(order) = self.query.order() else { return false };
                let key = SortKey::of(entity.document.get(&order.path).as_ref());
                let rank = Rank { direction: order.direction, key, id: entity.id.clone() };
                if self.after.as_ref().is_some_and(|after| rank <= *after) {
                    return true;
                }
                heap.push(Ranked { rank, entity });
                if heap.len() > limit {
                    heap.pop();
                    self.overflow = true;
                }
            }
        }
        true
    }

    /// The page. `native` gives the store's own position after an entity, for
    /// queries without an order.
    pub fn finish(self, plan: Plan, native: impl FnOnce(&Entity) -> String) -> Page {
        let (entities, position) = match self.found {
            Found::InStoreOrder(entities) => {
                let position = entities.last().map(|last| Position::Native(native(last)));
                (entities, position)
            }
            Found::Ordered(heap) => {
                let ranked = heap.into_sorted_vec();
                let position = ranked.last().map(|last| Position::Ordered {
                    key: last.rank.key.clone(),
                    id: last.rank.id.clone(),
                });
                (ranked.into_iter().map(|ranked| ranked.entity).collect(), position)
            }
        };
        let next = position
            .filter(|_| self.overflow)
            .map(|position| Cursor::new(self.collection, self.query, position));
        Page { entities, next, plan }
    }
}

/// The place of an entity in an ordered query.
#[derive(Debug, PartialEq, Eq)]
struct Rank {
    direction: Direction,
    key: SortKey,
    id: EntityId,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = match self.direction {
            Direction::Ascending => self.key.cmp(&other.key),
            Direction::Descending => other.key.cmp(&self.key),
        };
        by_key.then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug)]
struct Ranked {
    rank: Rank,
    entity: Entity,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
