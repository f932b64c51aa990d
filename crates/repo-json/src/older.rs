//! Reading older versions of records.

use repo_core::strategy::{OlderThan, OlderVersion, no_history};
use repo_core::{CollectionName, Result};

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
    let of: Vec<Below<'_>> =
        of.iter().map(|older| Below { id: &older.id, version: older.version.get() }).collect();
    let state = store.state();
    let found = collection(&store.env, &state, READ_HISTORY, name)?;
    let none = || no_history(READ_HISTORY, name, &store.env.location);
    let history = found.history.as_deref().ok_or_else(none)?;
    let view = history.view(state.documents(&store.env, found), &of, most);
    // Commits continue while the files are read.
    drop(state);
    view.read(&of, most)
}
