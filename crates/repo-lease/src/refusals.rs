//! What a caller is told when it does not get a lease, or has lost it.

use repo_core::{Error, ErrorKind, FailedPrecondition, Key, Precondition, Version};

use crate::keys::Keys;
use crate::plan::HeldByOthers;

/// Others hold it.
pub(crate) fn held(keys: &Keys, by: &HeldByOthers) -> Error {
    let why = match by.holders.len() {
        0 | 1 => "somebody else holds the lease",
        _ => "others hold the lease",
    };
    let mut error = Error::new(ErrorKind::Locked, "acquire a lease", why)
        .with("lease", keys.scope())
        .with("mode", by.mode)
        .with("token", by.token);
    for holder in by.holders.iter().take(8) {
        error = error.with("holder", &holder.name).with("since", holder.since);
    }
    if let Some(more) = by.holders.len().checked_sub(8).filter(|more| *more > 0) {
        error = error.with("further_holders", more);
    }
    error.hint(format!(
        "wait until it is given back; without a renewal it can be taken over in {:?}",
        by.wait
    ))
}

/// Somebody was faster each time.
pub(crate) fn overtaken(keys: &Keys, operation: &'static str, last: Error) -> Error {
    let why = "others changed the lease at the same moment, again and again";
    Error::new(ErrorKind::Unavailable, operation, why).with("lease", keys.scope()).caused_by(last)
}

/// The holder does not have it any more; `error` names what is another one by now.
pub(crate) fn lost(keys: &Keys, error: Error) -> Error {
    error
        .into_kind(ErrorKind::Conflict)
        .with("lease", keys.scope())
        .hint("the lease was taken over or released: acquire it again, and read what it protects")
}

/// The same, where nothing was sent.
pub(crate) fn lost_by(keys: &Keys, operation: &'static str, failed: FailedPrecondition) -> Error {
    lost(keys, Error::preconditions(operation, vec![(failed, true)]))
}

/// The condition of a lease that does not hold.
pub(crate) fn unmet(key: &Key, expected: Version, actual: Option<Version>) -> FailedPrecondition {
    FailedPrecondition { key: key.clone(), expected: Precondition::Version(expected), actual }
}
