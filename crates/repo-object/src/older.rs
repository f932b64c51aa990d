//! Reading older versions of records, and who wrote versions.

use repo_core::strategy::{OlderState, OlderThan, OlderVersion, no_history};
use repo_core::{Attribution, CollectionName, Document, EntityId, Result, Timestamp, Version};

use crate::env::Env;
use crate::names::READ_HISTORY;
use crate::reader::documents_of;
use crate::slot::Place;
use crate::state::State;
use crate::store::Store;
use crate::table::{History, Older, Was};

/// A version that was found, before its document is read.
type FoundVersion = (EntityId, Version, Older);

fn history<'s>(env: &Env, state: &'s State, name: &CollectionName) -> Result<&'s History> {
    let table = state.table(env, READ_HISTORY, name)?;
    let none = || no_history(READ_HISTORY, name, &env.location);
    table.history.as_ref().ok_or_else(none)
}

/// At most `most` of the older versions of some ids.
pub(crate) async fn read(
    store: &Store,
    name: &CollectionName,
    of: &[OlderThan],
    most: usize,
) -> Result<Vec<OlderVersion>> {
    store.catch_up(READ_HISTORY).await?;
    let look = |state: &State| look(history(&store.env, state, name)?, of, most);
    let read = documents_of(store, look).await;
    let read = read.map_err(|error| error.with("collection", name))?;
    read.into_iter().map(|(found, document)| version_of(found, document)).collect()
}

fn version_of(
    (id, version, older): FoundVersion,
    document: Option<Document>,
) -> Result<OlderVersion> {
    let state = match (older.was, document) {
        (Was::Live { created_at, .. }, Some(document)) => {
            OlderState::Live { created_at: Timestamp::from_micros(created_at)?, document }
        }
        (Was::Deleted, _) => OlderState::Deleted,
        // The document of a live one was read, or it is an error.
        (Was::Removed | Was::Live { .. }, _) => OlderState::Removed,
    };
    Ok(OlderVersion::new(id, version, Timestamp::from_micros(older.updated_at)?, state))
}

fn look(
    history: &History,
    of: &[OlderThan],
    most: usize,
) -> Result<Vec<(FoundVersion, Option<Place>)>> {
    let mut found = Vec::new();
    for OlderThan { id, version, oldest, .. } in of {
        let first = (id.clone(), *oldest.min(version));
        let below = history.older.range(first..(id.clone(), *version)).rev();
        for ((_, number), older) in below.take(most - found.len()) {
            let place = match older.was {
                Was::Live { place, .. } => Some(place),
                Was::Deleted | Was::Removed => None,
            };
            found.push(((id.clone(), *number, *older), place));
        }
    }
    Ok(found)
}

/// Who wrote these versions, in their order.
pub(crate) async fn attributions(
    store: &Store,
    name: &CollectionName,
    of: &[(EntityId, Version)],
) -> Result<Vec<Option<Attribution>>> {
    store.catch_up(READ_HISTORY).await?;
    let state = store.state();
    let history = history(&store.env, &state, name)?;
    Ok(of.iter().map(|of| history.by.get(of).map(|by| (**by).clone())).collect())
}
