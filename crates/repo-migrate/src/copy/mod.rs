//! Writing what was read: batches, their rate, and what cannot be written.

pub(crate) mod copier;
pub(crate) mod quarantine;
pub(crate) mod throttle;
pub(crate) mod writer;

pub use quarantine::{Quarantine, set_aside};
