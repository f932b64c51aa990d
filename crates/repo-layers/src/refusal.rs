//! The error for a layer, or a stack of layers, that makes no sense.

use std::time::Duration;

use repo_core::{Error, ErrorKind, Result};

pub(crate) fn refuse(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "put layers around a store", why)
}

/// Refuses a time of 0.
pub(crate) fn positive(name: &'static str, time: Duration) -> Result<()> {
    if time.is_zero() {
        return Err(refuse("a time of 0 leaves no time at all").with("setting", name));
    }
    Ok(())
}
