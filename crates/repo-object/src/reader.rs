//! Reads: by key, by query. What is known of a record is in memory; its document is in the
//! cache, or read from the object that holds it.

use repo_core::strategy::{
    Aggregator, Effort, Position, Record, Selector, Tombstone, UnreadableRecord,
};
use repo_core::{
    Aggregates, Aggregation, CollectionName, Consistency, Document, Entity, EntityId, Error,
    Filter, GroupedBy, Page, Plan, Query, QueryAnalysis, Result, Timestamp,
};

use crate::documents::{Fetched, Wanted, fetch};
use crate::env::Env;
use crate::slot::{Place, Slot};
use crate::state::State;
use crate::store::Store;

/// Most records whose documents are read at once.
const MOST_AT_ONCE: usize = 1_000;
/// Fewest, so that a small page costs no more than a few reads.
const FEWEST_AT_ONCE: usize = 32;
/// Most bytes of documents that are read at once.
const MOST_BYTES: u64 = 8 * 1_024 * 1_024;

/// What is stored under an id.
pub(crate) enum Found {
    Nothing,
    Record(Record),
    Unreadable(UnreadableRecord),
}

impl Found {
    /// The record, if there is one.
    ///
    /// # Errors
    /// That of one that cannot be read.
    pub(crate) fn into_record(self) -> Result<Option<Record>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Record(record) => Ok(Some(record)),
            Self::Unreadable(unreadable) => Err(unreadable.error),
        }
    }
}

/// What the state says of some ids.
struct Looked {
    /// The checkpoint that the places of the documents are of.
    base: u64,
    slots: Vec<Option<Slot>>,
    /// With the place in `slots`.
    wanted: Vec<(usize, Wanted)>,
    documents: Vec<Option<Document>>,
}

impl Looked {
    fn of(
        store: &Store,
        operation: &'static str,
        name: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Self> {
        let state = store.state();
        let table = state.table(&store.env, operation, name)?;
        let slots: Vec<Option<Slot>> = ids.iter().map(|id| table.get(id)).collect();
        let mut cache = store.cache();
        let mut documents = Vec::with_capacity(slots.len());
        let mut wanted = Vec::new();
        for (at, (id, slot)) in ids.iter().zip(&slots).enumerate() {
            let place = slot.and_then(|slot| slot.place);
            let kept = place.and_then(|place| cache.get(name, id, place.digest));
            if let (Some(place), None) = (place, &kept) {
                wanted.push((at, state.wanted(place)));
            }
            documents.push(kept);
        }
        Ok(Self { base: state.base.number, slots, wanted, documents })
    }
}

/// The records of `ids`, in their order. Nothing is looked for behind the state.
///
/// # Errors
/// `NotFound` for a collection that was not prepared; what reading may fail with.
pub(crate) async fn found(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    ids: &[EntityId],
) -> Result<Vec<Found>> {
    loop {
        let looked = Looked::of(store, operation, name, ids)?;
        let wanted: Vec<Wanted> = looked.wanted.iter().map(|(_, wanted)| wanted.clone()).collect();
        let fetched = fetch(&store.env.objects, &wanted).await?;
        if !are_elsewhere(store, looked.base, &fetched).await? {
            return finish(store, name, ids, looked, fetched);
        }
    }
}

/// Whether a checkpoint after the one that was known has put documents elsewhere.
async fn are_elsewhere(store: &Store, base: u64, fetched: &[Fetched]) -> Result<bool> {
    if !fetched.iter().any(|fetched| matches!(fetched, Fetched::Other { .. })) {
        return Ok(false);
    }
    store.relocate().await?;
    Ok(store.state().base.number != base)
}

fn finish(
    store: &Store,
    name: &CollectionName,
    ids: &[EntityId],
    looked: Looked,
    fetched: Vec<Fetched>,
) -> Result<Vec<Found>> {
    let Looked { slots, wanted, mut documents, .. } = looked;
    let mut unreadable: Vec<(usize, UnreadableRecord)> = Vec::new();
    let mut cache = store.cache();
    for ((at, Wanted { place, .. }), fetched) in wanted.into_iter().zip(fetched) {
        let (Some(id), Some(document)) = (ids.get(at), documents.get_mut(at)) else { continue };
        match fetched {
            Fetched::Document(read) => {
                cache.put(name, id, place.digest, read.clone());
                *document = Some(read);
            }
            Fetched::Other { stored, error } => {
                let error = about(&store.env, error, name, id);
                let record = UnreadableRecord::new(name.clone(), id.as_str(), stored, error);
                unreadable.push((at, record));
            }
        }
    }
    drop(cache);
    let mut unreadable = unreadable.into_iter().peekable();
    let mut found = Vec::with_capacity(ids.len());
    for (at, ((id, slot), document)) in ids.iter().zip(slots).zip(documents).enumerate() {
        if let Some((_, record)) = unreadable.next_if(|(bad, _)| *bad == at) {
            found.push(Found::Unreadable(record));
            continue;
        }
        found.push(match slot {
            None => Found::Nothing,
            Some(slot) => Found::Record(record_of(name, id, &slot, document)?),
        });
    }
    Ok(found)
}

/// The error about one record, with its key.
fn about(env: &Env, error: Error, name: &CollectionName, id: &EntityId) -> Error {
    error.with("store", &env.location).with("collection", name).with("key", id)
}

/// The record of a slot; `document` for a live one.
fn record_of(
    name: &CollectionName,
    id: &EntityId,
    slot: &Slot,
    document: Option<Document>,
) -> Result<Record> {
    let (collection, id, version) = (name.clone(), id.clone(), slot.version);
    let updated_at = Timestamp::from_micros(slot.updated_at)?;
    Ok(match document {
        None => Record::Tombstone(Tombstone { collection, id, version, deleted_at: updated_at }),
        Some(document) => {
            let created_at = Timestamp::from_micros(slot.created_at)?;
            Record::Live(Entity { collection, id, version, created_at, updated_at, document })
        }
    })
}

/// The records of `ids`, in their order.
pub(crate) async fn get_many(
    store: &Store,
    name: &CollectionName,
    ids: &[EntityId],
    level: Consistency,
) -> Result<Vec<Option<Record>>> {
    store.catch_up_for("get", level).await?;
    store.state().table(&store.env, "get", name)?;
    let mut records = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MOST_AT_ONCE) {
        for found in found(store, "get", name, ids).await? {
            records.push(found.into_record()?);
        }
    }
    Ok(records)
}

/// One page.
pub(crate) async fn query(
    store: &Store,
    name: &CollectionName,
    query: &Query,
    level: Consistency,
) -> Result<Page> {
    page(store, name, query, level, &mut Effort::default()).await
}

/// What one page takes.
pub(crate) async fn analyze(
    store: &Store,
    name: &CollectionName,
    query: &Query,
    level: Consistency,
) -> Result<QueryAnalysis> {
    let mut effort = Effort::default();
    let page = page(store, name, query, level, &mut effort).await?;
    Ok(QueryAnalysis::counted(&page, effort))
}

async fn page(
    store: &Store,
    name: &CollectionName,
    query: &Query,
    level: Consistency,
    effort: &mut Effort,
) -> Result<Page> {
    store.catch_up_for("query", level).await?;
    store.state().table(&store.env, "query", name)?;
    let mut selector = Selector::new(name, query)?;
    let after = match query.cursor().map(|c| c.position_in(name, query)).transpose()? {
        Some(Position::Native(id)) => Some(EntityId::new(id)?),
        _ => None,
    };
    let most = match query.order() {
        None => query.page_size().saturating_add(1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE),
        Some(_) => MOST_AT_ONCE,
    };
    visit(store, "query", name, after, most, |entity| {
        let matches = query.filter().matches(&entity.document);
        effort.look_at(matches);
        !matches || selector.keep(entity)
    })
    .await?;
    Ok(selector.finish(Plan::Scan, |last| last.id.to_string()))
}

/// How many match.
pub(crate) async fn count(
    store: &Store,
    name: &CollectionName,
    filter: &Filter,
    level: Consistency,
) -> Result<u64> {
    store.catch_up_for("count", level).await?;
    if filter.is_all() {
        return Ok(store.state().table(&store.env, "count", name)?.live());
    }
    let mut matching = 0;
    visit(store, "count", name, None, MOST_AT_ONCE, |entity| {
        matching += u64::from(filter.matches(&entity.document));
        true
    })
    .await?;
    Ok(matching)
}

/// Groups, of all that match. How many there are in all is known without reading them.
pub(crate) async fn aggregate(
    store: &Store,
    name: &CollectionName,
    aggregation: &Aggregation,
    level: Consistency,
) -> Result<Aggregates> {
    store.catch_up_for("aggregate", level).await?;
    let live = store.state().table(&store.env, "aggregate", name)?.live();
    let mut groups = Aggregator::new(name, aggregation);
    if aggregation.counts_everything() {
        groups.add_group(&[], live, Vec::new())?;
        return groups.finish(GroupedBy::Store);
    }
    let mut offered = Ok(());
    visit(store, "aggregate", name, None, MOST_AT_ONCE, |entity| {
        offered = groups.offer(&entity.document);
        offered.is_ok()
    })
    .await?;
    offered?;
    groups.finish(GroupedBy::Engine)
}

/// Hands every live entity after an id, in the order of the ids, to `each` until it has enough.
async fn visit(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    mut after: Option<EntityId>,
    most: usize,
    mut each: impl FnMut(Entity) -> bool,
) -> Result<()> {
    loop {
        let (entities, last) = next_live(store, operation, name, after.as_ref(), most).await?;
        let wanted = entities.into_iter().all(&mut each);
        match last {
            Some(last) if wanted => after = Some(last),
            _ => return Ok(()),
        }
    }
}

/// The next live entities after an id, in the order of the ids, and the last id that was
/// looked at; `None` at the end.
async fn next_live(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    after: Option<&EntityId>,
    most: usize,
) -> Result<(Vec<Entity>, Option<EntityId>)> {
    let (ids, last) = {
        let state = store.state();
        let table = state.table(&store.env, operation, name)?;
        take(table.after(after).filter(|(_, slot)| slot.is_live()), most)
    };
    let mut entities = Vec::with_capacity(ids.len());
    for found in found(store, operation, name, &ids).await? {
        // It may have been deleted since it was looked for.
        entities.extend(found.into_record()?.and_then(Record::into_live));
    }
    Ok((entities, last))
}

/// As many ids as are read at once, and the last of them; `None` where they are all there are.
pub(crate) fn take<'t>(
    slots: impl Iterator<Item = (&'t EntityId, &'t Slot)>,
    most: usize,
) -> (Vec<EntityId>, Option<EntityId>) {
    let mut slots = slots.peekable();
    let (mut ids, mut bytes) = (Vec::new(), 0);
    while ids.len() < most && bytes < MOST_BYTES {
        let Some((id, slot)) = slots.next() else { break };
        bytes += slot.place.map_or(0, |place: Place| u64::from(place.len.get()));
        ids.push(id.clone());
    }
    let last = if slots.peek().is_some() { ids.last().cloned() } else { None };
    (ids, last)
}

/// Older versions or records: the documents of places, each read where it is now. `look` tells
/// the places, and is asked again where a checkpoint has put documents elsewhere.
///
/// # Errors
/// That of `look`; `Corrupt` for a document that cannot be read.
pub(crate) async fn documents_of<T>(
    store: &Store,
    look: impl Fn(&State) -> Result<Vec<(T, Option<Place>)>>,
) -> Result<Vec<(T, Option<Document>)>> {
    loop {
        let (base, found, wanted) = {
            let state = store.state();
            let found = look(&state)?;
            let places = found.iter().filter_map(|(_, place)| *place);
            let wanted: Vec<Wanted> = places.map(|place| state.wanted(place)).collect();
            (state.base.number, found, wanted)
        };
        let fetched = fetch(&store.env.objects, &wanted).await?;
        if are_elsewhere(store, base, &fetched).await? {
            continue;
        }
        let mut fetched = fetched.into_iter();
        let mut read = Vec::with_capacity(found.len());
        for (of, place) in found {
            let document = match place.and_then(|_| fetched.next()) {
                None => None,
                Some(Fetched::Document(document)) => Some(document),
                Some(Fetched::Other { error, .. }) => {
                    return Err(error.with("store", &store.env.location));
                }
            };
            read.push((of, document));
        }
        return Ok(read);
    }
}

/// The work of a call that a closed handle answers otherwise: what fails on a handle that was
/// closed meanwhile fails for that. What stopped the handle itself says so in its own words.
pub(crate) fn unless_closed<T>(
    store: &Store,
    operation: &'static str,
    done: Result<T>,
) -> Result<T> {
    if done.is_err() {
        store.check_not_closed(operation)?;
    }
    done
}
