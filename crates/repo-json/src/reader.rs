//! Reads: by key, by query, by scan. They run on threads that may block, but
//! for reads of little that have nothing to wait for.

use std::collections::VecDeque;
use std::sync::Arc;

use repo_core::strategy::{Aggregator, Effort, Position, Record, Selector};
use repo_core::{
    Aggregates, Aggregation, CollectionName, Document, Entity, EntityId, Error, Filter, GroupedBy,
    Page, Plan, Query, QueryAnalysis, Result,
};

use crate::batch::live_or_tombstone;
use crate::chunk::{check_id, entities, next_chunk};
use crate::documents::Documents;
use crate::index::usable;
use crate::indexing::{candidates, note_search};
use crate::state::State;
use crate::store::{Store, collection};
use crate::table::{ShortDigest, Slot};

/// Most ids that are read on the calling thread.
const IDS_AT_ONCE: usize = 8;
/// Most bytes of documents that are read on the calling thread.
const BYTES_AT_ONCE: usize = 64 * 1_024;
/// Most records whose documents are read at once.
const MOST_AT_ONCE: usize = 1_000;
/// Fewest, so that a small page costs no more than a few reads.
const FEWEST_AT_ONCE: usize = 32;

/// The records of `ids`, in their order.
pub(crate) fn get_many(
    store: &Store,
    name: &CollectionName,
    ids: &[EntityId],
) -> Result<Vec<Option<Record>>> {
    store.catch_up("get")?;
    let found = FoundSlots::of(store, &store.state(), name, ids)?;
    found.records(store, name, ids)
}

/// The same at once, on any thread. `None` where it would wait for a lock,
/// read much or fail: [`get_many`] does that.
pub(crate) fn get_at_once(
    store: &Store,
    name: &CollectionName,
    ids: &[EntityId],
) -> Option<Vec<Option<Record>>> {
    if ids.len() > IDS_AT_ONCE {
        return None;
    }
    let state = store.current_state()?;
    let found = FoundSlots::of(store, &state, name, ids).ok()?;
    drop(state);
    if found.bytes() > BYTES_AT_ONCE {
        return None;
    }
    found.records(store, name, ids).ok()
}

/// What the state says of some ids.
struct FoundSlots {
    slots: Vec<Option<(Slot, ShortDigest)>>,
    documents: Documents,
    /// Of the cache when this was found.
    epoch: u64,
}

impl FoundSlots {
    fn of(store: &Store, state: &State, name: &CollectionName, ids: &[EntityId]) -> Result<Self> {
        let found = collection(&store.env, state, "get", name)?;
        if let Some(error) = found.table.set_aside.one_of(ids) {
            return Err(error);
        }
        Ok(Self {
            slots: ids
                .iter()
                .map(|id| {
                    let slot = found.table.get(id.as_str())?;
                    Some((slot, found.table.digest(id.as_str())))
                })
                .collect(),
            documents: state.documents(&store.env, found),
            epoch: store.cache().epoch(),
        })
    }

    /// The size of the documents together.
    fn bytes(&self) -> usize {
        self.slots.iter().flatten().map(|(slot, _)| slot.len as usize).sum()
    }

    fn records(
        &self,
        store: &Store,
        name: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let mut texts = fetch(store, self.epoch, name, ids, &self.slots, &self.documents)?;
        let record = |(id, slot): (&EntityId, &Option<(Slot, ShortDigest)>)| {
            let Some((slot, _)) = slot else { return Ok(None) };
            let document = if slot.is_live() { texts.pop_front() } else { None };
            live_or_tombstone(name.clone(), id.clone(), slot, document).map(Some)
        };
        ids.iter().zip(&self.slots).map(record).collect()
    }
}

/// The documents of the live ones among `slots`: from the cache, else read.
fn fetch(
    store: &Store,
    epoch: u64,
    name: &CollectionName,
    ids: &[EntityId],
    slots: &[Option<(Slot, ShortDigest)>],
    documents: &Documents,
) -> Result<VecDeque<Document>> {
    let live = || {
        let pairs = ids.iter().zip(slots);
        pairs.filter_map(|(id, found)| {
            found.filter(|(slot, _)| slot.is_live()).map(|(slot, digest)| (id, slot, digest))
        })
    };
    let mut cache = store.cache();
    let cached: Vec<Option<Document>> =
        live().map(|(id, slot, _)| cache.get(name, id, slot.version)).collect();
    drop(cache);
    let wanted: Vec<(&EntityId, Slot, ShortDigest)> =
        live().zip(&cached).filter(|(_, hit)| hit.is_none()).map(|(live, _)| live).collect();
    let places: Vec<Slot> = wanted.iter().map(|(_, slot, _)| *slot).collect();
    let read = documents.read_all(&places)?;
    let schema = store.env.schema(name);
    // A document that is damaged must not come back as the next version.
    for ((id, slot, digest), document) in wanted.iter().zip(&read) {
        check_id(&schema, id, document, documents, slot)?;
        documents.check(document, slot, *digest).map_err(|error| about(error, name, id))?;
    }
    let mut cache = store.cache();
    for ((id, slot, _), document) in wanted.iter().zip(&read) {
        cache.put_read_in(epoch, name, id, slot.version, document.clone());
    }
    let mut read = read.into_iter();
    Ok(cached.into_iter().filter_map(|hit| hit.or_else(|| read.next())).collect())
}

/// The error about one record, with its key.
pub(crate) fn about(error: Error, name: &CollectionName, id: &EntityId) -> Error {
    error.with("collection", name).with("key", id)
}

/// One page.
pub(crate) fn query(store: &Store, name: &CollectionName, query: &Query) -> Result<Page> {
    page(store, name, query, &mut Effort::default())
}

/// What one page takes.
pub(crate) fn analyze(
    store: &Store,
    name: &CollectionName,
    query: &Query,
) -> Result<QueryAnalysis> {
    let mut effort = Effort::default();
    let page = page(store, name, query, &mut effort)?;
    Ok(QueryAnalysis::counted(&page, effort))
}

fn page(store: &Store, name: &CollectionName, query: &Query, effort: &mut Effort) -> Result<Page> {
    store.catch_up("query")?;
    collection(&store.env, &store.state(), "query", name)?;
    let mut selector = Selector::new(name, query)?;
    let after = match query.cursor().map(|c| c.position_in(name, query)).transpose()? {
        Some(Position::Native(id)) => Some(Box::from(EntityId::new(id)?.as_str())),
        _ => None,
    };
    let most = match query.order() {
        None => query.page_size().saturating_add(1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE),
        Some(_) => MOST_AT_ONCE,
    };
    let plan = visit(store, "query", name, query.filter(), after, most, |entity| {
        let matches = query.filter().matches(&entity.document);
        effort.look_at(matches);
        !matches || selector.keep(entity)
    })?;
    Ok(selector.finish(plan, |last| last.id.to_string()))
}

/// How many match.
pub(crate) fn count(store: &Store, name: &CollectionName, filter: &Filter) -> Result<u64> {
    store.catch_up("count")?;
    if filter.is_all() {
        return Ok(collection(&store.env, &store.state(), "count", name)?.table.live());
    }
    let mut matching = 0;
    visit(store, "count", name, filter, None, MOST_AT_ONCE, |entity| {
        matching += u64::from(filter.matches(&entity.document));
        true
    })?;
    Ok(matching)
}

/// Groups, of all that may match. How many there are in all is known without them.
pub(crate) fn aggregate(
    store: &Store,
    name: &CollectionName,
    aggregation: &Aggregation,
) -> Result<Aggregates> {
    store.catch_up("aggregate")?;
    let live = collection(&store.env, &store.state(), "aggregate", name)?.table.live();
    let mut groups = Aggregator::new(name, aggregation);
    if aggregation.counts_everything() {
        groups.add_group(&[], live, Vec::new())?;
        return groups.finish(GroupedBy::Store);
    }
    let mut offered = Ok(());
    visit(store, "aggregate", name, aggregation.filter(), None, MOST_AT_ONCE, |entity| {
        offered = groups.offer(&entity.document);
        offered.is_ok()
    })?;
    offered?;
    groups.finish(GroupedBy::Engine)
}

/// Hands every live entity that may match, in the order of the ids, to `each`
/// until it has enough.
fn visit(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    filter: &Filter,
    after: Option<Box<str>>,
    most: usize,
    mut each: impl FnMut(Entity) -> bool,
) -> Result<Plan> {
    let schema = store.env.schema(name);
    let usable = usable(&schema, filter);
    if let Some((plan, ids)) = candidates(store, operation, name, &schema, &usable)? {
        let from = after.map_or(0, |after| ids.partition_point(|id| **id <= *after));
        for ids in ids[from..].chunks(most) {
            if !candidate_chunk(store, operation, name, ids)?.into_iter().all(&mut each) {
                break;
            }
        }
        return Ok(plan);
    }
    let mut after = after;
    loop {
        let chunk = next_chunk(store, operation, name, after.as_deref(), most)?;
        if !usable.is_empty() {
            note_search(&store.state(), name, chunk.entities.len());
        }
        let wanted = chunk.entities.into_iter().all(&mut each);
        match chunk.last {
            Some(last) if wanted => after = Some(last),
            _ => return Ok(Plan::Scan),
        }
    }
}

/// The live entities among some candidates.
fn candidate_chunk(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    ids: &[Arc<str>],
) -> Result<Vec<Entity>> {
    let state = store.state();
    let found = collection(&store.env, &state, operation, name)?;
    let documents = state.documents(&store.env, found);
    let live = |id: &Arc<str>| {
        let slot = found.table.get(id).filter(Slot::is_live)?;
        Some((Box::from(&**id), slot))
    };
    let slots = ids.iter().filter_map(live).collect();
    drop(state);
    entities(store, name, &documents, slots)
}
