//! Writes to collections with a time to live.

use std::collections::BTreeSet;

use repo_core::{Change, Error, Key, Precondition, Result, Write, Written};

use super::clear::{ATTEMPTS, clear, restless};
use super::rules::Rules;
use crate::Inner;

/// Commits so that what has passed is absent to every precondition: it is deleted first, as the
/// sweeper would. A write that asks for absence is tried at once, since its id is rarely taken;
/// all others are looked at before.
pub(super) async fn commit(
    rules: &Rules,
    inner: &Inner,
    writes: Vec<Write>,
) -> Result<Vec<Written>> {
    if writes.iter().all(|write| rules.expiry(&write.key.collection).is_none()) {
        return inner.commit(writes).await;
    }
    check_times(rules, &writes)?;
    let mut suspects: BTreeSet<Key> = writes
        .iter()
        .filter(|write| write.precondition != Precondition::Absent)
        .filter(|write| rules.expiry(&write.key.collection).is_some())
        .map(|write| write.key.clone())
        .collect();
    let mut refused: Option<Error> = None;
    for _ in 0..ATTEMPTS {
        let gone = clear(rules, inner, &suspects).await?;
        match refused.take() {
            // What the commit met is there, and has not passed.
            Some(error) if !gone => return Err(error),
            _ => {}
        }
        // Documents are shared, not copied.
        let error = match inner.commit(writes.clone()).await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        suspects = met(rules, &error);
        if suspects.is_empty() {
            return Err(error);
        }
        refused = Some(error);
    }
    Err(restless())
}

/// The keys under which a refused commit met an entity that may have passed.
fn met(rules: &Rules, error: &Error) -> BTreeSet<Key> {
    let failed = error.failed_preconditions().iter();
    failed
        .filter(|failure| failure.actual.is_some())
        .filter(|failure| rules.expiry(&failure.key.collection).is_some())
        .map(|failure| failure.key.clone())
        .collect()
}

fn check_times(rules: &Rules, writes: &[Write]) -> Result<()> {
    for Write { key, change, .. } in writes {
        if let (Change::Put(document), Some(expiry)) = (change, rules.expiry(&key.collection)) {
            expiry
                .check(&key.id, document)
                .map_err(|error| error.with("collection", &key.collection))?;
        }
    }
    Ok(())
}
