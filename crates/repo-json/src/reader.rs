//! Reads: by key, by query, by scan. They run on threads that may block, but
//! for reads of little that have nothing to wait for.

use std::collections::VecDeque;
use std::sync::Arc;

use repo_core::{
    CollectionName, Document, Entity, EntityId, Filter, Key, Page, Plan, Position, Query, Record,
    Result, ScanOptions, Scanned, Selector,
};

use crate::batch::live_or_tombstone;
use crate::chunk::{Taken, check_id, entities, next_chunk};
use crate::documents::Documents;
use crate::index::usable;
use crate::indexing::{candidates, note_search};
use crate::state::State;
use crate::store::{Store, collection};
use crate::table::Slot;

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
    let found = Found::of(store, &store.state(), name, ids)?;
    found.records(store, name, ids)
}

/// The same at once, on any thread. `None` where it had to wait for somebody,
/// to read much or to fail: [`get_many`] does that.
pub(crate) fn get_at_once(
    store: &Store,
    name: &CollectionName,
    ids: &[EntityId],
) -> Option<Vec<Option<Record>>> {
    if ids.len() > IDS_AT_ONCE {
        return None;
    }
    let state = store.current_state()?;
    let found = Found::of(store, &state, name, ids).ok()?;
    drop(state);
    if found.bytes() > BYTES_AT_ONCE {
        return None;
    }
    found.records(store, name, ids).ok()
}

/// What the state says of some ids.
struct Found {
    slots: Vec<Option<Slot>>,
    documents: Documents,
    /// Of the cache when this was found.
    epoch: u64,
}

impl Found {
    fn of(store: &Store, state: &State, name: &CollectionName, ids: &[EntityId]) -> Result<Self> {
        let found = collection(&store.env, state, "get", name)?;
        Ok(Self {
            slots: ids.iter().map(|id| found.table.get(id.as_str())).collect(),
            documents: state.documents(&store.env, found),
            epoch: store.cache().epoch(),
        })
    }

    /// The size of the documents together.
    fn bytes(&self) -> usize {
        self.slots.iter().flatten().map(|slot| slot.len as usize).sum()
    }

    fn records(
        &self,
        store: &Store,
        name: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Record>>> {
        let mut texts = fetch(store, self.epoch, name, ids, &self.slots, &self.documents)?;
        let record = |(id, slot): (&EntityId, &Option<Slot>)| {
            let Some(slot) = slot else { return Ok(None) };
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
    slots: &[Option<Slot>],
    documents: &Documents,
) -> Result<VecDeque<Document>> {
    let live = || {
        let pairs = ids.iter().zip(slots);
        pairs.filter_map(|(id, slot)| slot.filter(Slot::is_live).map(|slot| (id, slot)))
    };
    let mut cache = store.cache();
    let cached: Vec<Option<Document>> =
        live().map(|(id, slot)| cache.get(name, id, slot.version)).collect();
    drop(cache);
    let wanted: Vec<(&EntityId, Slot)> =
        live().zip(&cached).filter(|(_, hit)| hit.is_none()).map(|(pair, _)| pair).collect();
    let places: Vec<Slot> = wanted.iter().map(|(_, slot)| *slot).collect();
    let read = documents.read_all(&places)?;
    let schema = store.env.schema(name);
    let mut cache = store.cache();
    for ((id, slot), document) in wanted.iter().zip(&read) {
        check_id(&schema, id, document, documents, slot)?;
        cache.put_read_in(epoch, name, id, slot.version, document.clone());
    }
    let mut read = read.into_iter();
    Ok(cached.into_iter().filter_map(|hit| hit.or_else(|| read.next())).collect())
}

/// One page.
pub(crate) fn query(store: &Store, name: &CollectionName, query: &Query) -> Result<Page> {
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
    let plan =
        visit(store, "query", name, query.filter(), after, most, |entity| selector.offer(entity))?;
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

/// The next batch of a scan after an id, with the id to go on from; `None` at
/// the end.
pub(crate) fn scan_batch(
    store: &Store,
    name: &CollectionName,
    options: ScanOptions,
    after: Option<&str>,
) -> Result<(Scanned, Option<Box<str>>)> {
    let state = store.state();
    let found = collection(&store.env, &state, "scan", name)?;
    let documents = state.documents(&store.env, found);
    let mut taken = Taken::new(options.batch_size.get());
    let mut last = None;
    for (id, slot, _) in found.table.after(after) {
        let inside = options.segment.total() == 1 || options.segment.contains(&EntityId::new(id)?);
        if inside && !taken.add(id, slot) {
            last = Some(id.into());
            break;
        }
    }
    let unreadable = match last {
        None if options.segment.index() == 0 => found.table.set_aside.errors(name),
        _ => Vec::new(),
    };
    drop(state);
    let slots: Vec<Slot> =
        taken.slots.iter().map(|(_, slot)| *slot).filter(Slot::is_live).collect();
    let mut read = documents.read_all(&slots)?.into_iter();
    let record = |(id, slot): &(Box<str>, Slot)| {
        let key = Key::new(name.clone(), EntityId::new(id)?);
        let document = if slot.is_live() { read.next() } else { None };
        crate::batch::record_of(&key, slot, document)
    };
    let records = taken.slots.iter().map(record).collect::<Result<_>>()?;
    Ok((Scanned { records, unreadable }, last))
}
