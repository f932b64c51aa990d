//! Reading older versions of records, and who wrote versions.

use repo_core::strategy::{OlderThan, OlderVersion, no_history};
use repo_core::{Attribution, CollectionName, EntityId, Result, Version};

use crate::history::Below;
use crate::names::READ_HISTORY;
use crate::store::{Store, collection};

/// At most `most` of the older versions of some ids.
pub(crate) fn read(
    store: &Store,
    name: &CollectionName,
    of: &[OlderThan],
    most: usize,
) -> Result<Vec<OlderVersion>> {
    store.catch_up(READ_HISTORY)?;
    let of: Vec<Below<'_>> = of.iter().map(Below::of).collect();
    let state = store.state();
    let found = collection(&store.env, &state, READ_HISTORY, name)?;
    let none = || no_history(READ_HISTORY, name, &store.env.location);
    let history = found.history.as_deref().ok_or_else(none)?;
    let view = history.view(state.documents(&store.env, found), &of, most);
    // Commits continue while the files are read.
    drop(state);
    view.read(&of, most)
}

/// Who wrote these versions, in their order.
pub(crate) fn attributions(
    store: &Store,
    name: &CollectionName,
    of: &[(EntityId, Version)],
) -> Result<Vec<Option<Attribution>>> {
    store.catch_up(READ_HISTORY)?;
    let state = store.state();
    let found = collection(&store.env, &state, READ_HISTORY, name)?;
    let none = || no_history(READ_HISTORY, name, &store.env.location);
    let history = found.history.as_deref().ok_or_else(none)?;
    let of = of.iter().map(|(id, version)| (id, *version));
    let view = history.attributions(state.documents(&store.env, found), of);
    // Commits continue while the files are read.
    drop(state);
    view.read()
}
