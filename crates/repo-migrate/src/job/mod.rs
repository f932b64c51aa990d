//! A run as its target knows it: who holds it, how far it is, how another run
//! resumes it.

pub(crate) mod checkpoint;
pub(crate) mod holder;
pub(crate) mod in_place;
pub(crate) mod lease;
pub(crate) mod status;
#[cfg(test)]
mod stored_form_tests;
pub(crate) mod unfinished;

pub use status::{CollectionStatus, OwnerStatus, Unfinished, status};
