//! What a store answers that takes no writes.

use super::store_role::StoreRole;
use crate::strategy::{LiveId, Route};
use crate::{Error, ErrorKind};

/// The error for a write to a store that is not the authority.
pub(super) fn not_authority(
    operation: &'static str,
    location: &str,
    role: StoreRole,
    route: Option<&Route>,
) -> Error {
    let why = match role {
        StoreRole::Authority | StoreRole::Fenced => {
            "the store is being moved, and takes no writes for a moment"
        }
        StoreRole::Retired => "the store has moved, and takes no writes any more",
        StoreRole::Replica => "the store is the copy of another one that is being moved here",
    };
    let error = Error::new(ErrorKind::Locked, operation, why)
        .with("store", location)
        .with("role", role.as_str());
    match route {
        Some(route) => error
            .with("successor", &route.successor)
            .hint(format!("write to the store that took over: {}", route.successor)),
        None if role == StoreRole::Replica => {
            error.hint("write to the store that it is a copy of, until the move is done")
        }
        None => error.hint("try again in a few seconds: the move ends, or is cancelled"),
    }
}

/// The error for a handle of a live migration that the store takes no part in.
pub(super) fn ended(operation: &'static str, location: &str, live: LiveId) -> Error {
    let why = "the live migration that this handle works for has ended here";
    Error::new(ErrorKind::Locked, operation, why)
        .with("store", location)
        .with("live_migration", live)
        .hint("nothing was written; look at the state of both stores")
}

/// The error for a live migration that would write over what the authority keeps.
pub(super) fn taken_over(operation: &'static str, location: &str, live: LiveId) -> Error {
    let why = "the store is the authority, and keeps these items itself";
    Error::new(ErrorKind::Locked, operation, why)
        .with("store", location)
        .with("live_migration", live)
        .hint("somebody else was faster; look at the status of the live migration")
}

/// The error for a change that a live migration would not carry over.
pub(super) fn taking_part(operation: &'static str, location: &str, live: LiveId) -> Error {
    let why = "the store takes part in a live migration, which would not carry this over";
    Error::new(ErrorKind::Locked, operation, why)
        .with("store", location)
        .with("live_migration", live)
        .hint("finish or abort the live migration first")
}
