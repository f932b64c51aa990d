//! What can be refused before anything is written.

use std::collections::HashSet;

use repo_core::strategy::{StorageStrategy, check_distinct_keys};
use repo_core::{Change, Error, ErrorKind, Result, Write};

use crate::keys::is_reserved;
use crate::refusals::COMMIT;

/// Checks what the caller wants, whatever the stores hold.
///
/// # Errors
/// `Invalid` when one of the stores gets nothing to do, for a key named twice, and for a
/// collection of this crate.
pub(crate) fn check_request(first: &[Write], second: &[Write]) -> Result<()> {
    if first.is_empty() || second.is_empty() {
        let why = "a commit in two stores has writes for each of them";
        return Err(
            Error::new(ErrorKind::Invalid, COMMIT, why).hint("commit in the one store alone")
        );
    }
    check_distinct_keys(first)?;
    check_distinct_keys(second)?;
    let collections: HashSet<_> =
        first.iter().chain(second).map(|write| &write.key.collection).collect();
    match collections.into_iter().find(|collection| is_reserved(collection)) {
        None => Ok(()),
        Some(collection) => {
            let why = "the collection belongs to the engine";
            Err(Error::new(ErrorKind::Invalid, COMMIT, why).with("collection", collection))
        }
    }
}

/// Checks that a store takes these writes in one commit, as far as it says so.
///
/// # Errors
/// `LimitExceeded` otherwise.
pub(crate) fn check_commit(store: &dyn StorageStrategy, writes: &[Write]) -> Result<()> {
    let capabilities = store.capabilities();
    let refuse = |what: &'static str, found: usize, most: usize| {
        Err(Error::new(ErrorKind::LimitExceeded, COMMIT, what)
            .with("store", store.location())
            .with("found", found)
            .with("most", most)
            .hint("commit less at once; nothing was written"))
    };
    if let Some(most) = capabilities.max_commit_keys.filter(|most| writes.len() > *most) {
        let what = "more keys than the store takes in one commit, with the one of the protocol";
        return refuse(what, writes.len(), most);
    }
    let bytes: usize = writes.iter().map(size).sum();
    if let Some(most) = capabilities.max_commit_bytes.filter(|most| bytes > *most) {
        let what = "more bytes than the store takes in one commit, with those of the protocol";
        return refuse(what, bytes, most);
    }
    Ok(())
}

/// Checks that the first store takes the record of the intent.
///
/// # Errors
/// `LimitExceeded` otherwise.
pub(crate) fn check_intent(store: &dyn StorageStrategy, intent: &Write) -> Result<()> {
    let most = store.capabilities().max_entity_bytes;
    if size(intent) <= most {
        return Ok(());
    }
    let why = "the intent is one record, and is larger than one may be: it holds the documents \
               for the second store and those that the first one replaces";
    Err(Error::new(ErrorKind::LimitExceeded, COMMIT, why)
        .with("store", store.location())
        .with("found", size(intent))
        .with("most", most)
        .hint("commit less at once; nothing was written"))
}

fn size(write: &Write) -> usize {
    match &write.change {
        Change::Put(document) => document.size(),
        Change::Delete | Change::Check => 0,
    }
}
