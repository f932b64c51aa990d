//! Removing what has passed before something is written in its place.

use std::collections::{BTreeMap, BTreeSet};

use repo_core::strategy::{Record, strong_reads};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Key, Result, Write};

use super::removal::removal;
use super::rules::Rules;
use crate::Inner;

/// How often what others write meanwhile is looked at anew.
pub(super) const ATTEMPTS: usize = 8;

/// Deletes those of `keys` whose time has passed, in one commit; whether there is no entity of
/// one of them now. They are looked at in the store itself, past a cache.
///
/// # Errors
/// Those of the reads and of the commit; what a caller's own commit would meet as well. Never
/// `OutcomeUnknown`, since nothing of the caller was written yet.
pub(super) async fn clear(rules: &Rules, inner: &Inner, keys: &BTreeSet<Key>) -> Result<bool> {
    if keys.is_empty() {
        return Ok(false);
    }
    for _ in 0..ATTEMPTS {
        let (passed, gone) = strong_reads(look(rules, inner, keys)).await?;
        if passed.is_empty() {
            return Ok(gone);
        }
        match inner.commit(passed).await {
            Ok(_) => return Ok(true),
            // Somebody wrote one of them meanwhile, or swept it.
            Err(error) if !error.failed_preconditions().is_empty() => {}
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                return Err(error.into_kind(ErrorKind::Unavailable));
            }
            Err(error) => return Err(error),
        }
    }
    Err(restless())
}

/// The deletions of what has passed, and whether there is no entity of another key.
async fn look(rules: &Rules, inner: &Inner, keys: &BTreeSet<Key>) -> Result<(Vec<Write>, bool)> {
    let mut by_collection: BTreeMap<&CollectionName, Vec<EntityId>> = BTreeMap::new();
    for key in keys {
        by_collection.entry(&key.collection).or_default().push(key.id.clone());
    }
    let (mut passed, mut gone) = (Vec::new(), false);
    for (collection, ids) in by_collection {
        let Some(expiry) = rules.expiry(collection) else { continue };
        let records = inner.get_many(collection, &ids).await?;
        let is_over = expiry.passed(rules.now());
        for record in records {
            match record.and_then(Record::into_live) {
                Some(entity) if is_over.matches(&entity.document) => passed.push(removal(&entity)),
                Some(_) => {}
                None => gone = true,
            }
        }
    }
    Ok((passed, gone))
}

/// The error of a commit that others kept from being decided. Nothing was written.
pub(super) fn restless() -> Error {
    let why = "others kept writing to an entity whose time to live has passed";
    Error::new(ErrorKind::Unavailable, "commit", why).hint("try again")
}
