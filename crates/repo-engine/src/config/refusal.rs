//! The error for a configuration that cannot be used.

use repo_core::{Error, ErrorKind};

pub(super) fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the configuration", why)
}
