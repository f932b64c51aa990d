//! Which queries an index serves, and when the indexes of a collection are
//! filled.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use repo_core::{CollectionName, CollectionSchema, Plan, Result};

use crate::chunk::next_chunk;
use crate::index::{Indexes, Usable};
use crate::state::State;
use crate::store::{Store, collection};

/// Records whose documents are read at once while indexes are filled; a
/// collection of no more is indexed for the first query.
const MOST_AT_ONCE: usize = 1_000;

/// The ids that an index gives, `None` when no index can be used.
pub(crate) fn candidates(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    schema: &CollectionSchema,
    usable: &[Usable],
) -> Result<Option<(Plan, Vec<Arc<str>>)>> {
    if usable.is_empty() {
        return Ok(None);
    }
    let ready = has_indexes(&store.state(), name);
    let pays = ready || pays(&store.state(), name);
    if !pays || (!ready && !build(store, operation, name, schema)?) {
        return Ok(None);
    }
    let state = store.state();
    let found = collection(&store.env, &state, operation, name)?;
    let indexes = found.indexes.as_ref().filter(|indexes| indexes.complete);
    let best = indexes.and_then(|indexes| indexes.candidates(usable));
    Ok(best.map(|(usable, ids)| (Plan::Index { name: usable.name.clone() }, ids)))
}

fn has_indexes(state: &State, name: &CollectionName) -> bool {
    let indexes = state.collections.get(name).and_then(|found| found.indexes.as_ref());
    indexes.is_some_and(|indexes| indexes.complete)
}

/// Whether filling the indexes of a collection pays: it reads every document,
/// which one query does as well without them. So it is done once queries have
/// read as much in vain, and at once where all is read in one go.
fn pays(state: &State, name: &CollectionName) -> bool {
    let Some(found) = state.collections.get(name) else { return false };
    let live = found.table.live();
    live <= MOST_AT_ONCE as u64 || found.searched.load(Ordering::Relaxed) >= live
}

/// Notes documents that were read because no index was there.
pub(crate) fn note_search(state: &State, name: &CollectionName, documents: usize) {
    if let Some(found) = state.collections.get(name) {
        found.searched.fetch_add(documents as u64, Ordering::Relaxed);
    }
}

/// Fills the indexes of a collection: once, when queries pay for them.
/// Commits that come meanwhile keep them right. `false` when the state was
/// replaced meanwhile; the query then reads the whole collection.
fn build(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    schema: &CollectionSchema,
) -> Result<bool> {
    let mut state = store.state_mut();
    let Some(found) = state.collections.get_mut(name) else { return Ok(false) };
    let ours = Arc::clone(&found.indexes.get_or_insert_with(|| Indexes::new(schema)).identity);
    drop(state);
    let mut after: Option<Box<str>> = None;
    loop {
        let chunk = next_chunk(store, operation, name, after.as_deref(), MOST_AT_ONCE)?;
        let mut state = store.state_mut();
        let Some(found) = state.collections.get_mut(name) else { return Ok(false) };
        let indexes = found.indexes.as_mut();
        let Some(indexes) = indexes.filter(|found| Arc::ptr_eq(&found.identity, &ours)) else {
            return Ok(false);
        };
        for entity in &chunk.entities {
            let id = entity.id.as_str();
            let unchanged =
                found.table.get(id).is_some_and(|slot| slot.version == entity.version.get());
            if unchanged {
                indexes.replace(id, None, Some(&entity.document));
            }
        }
        indexes.complete |= chunk.last.is_none();
        match chunk.last {
            None => return Ok(true),
            last => after = last,
        }
    }
}
