//! The conformance suite: one file a behaviour, no strategy's name in any.
//!
//! A behaviour is a `pub async fn name(f: Fixture)` that panics when the
//! contract is broken. `list.rs` names them all; a test sees to it that none
//! is forgotten there.

mod list;
mod run;
pub(crate) mod support;

pub mod versions;

pub use run::run;
