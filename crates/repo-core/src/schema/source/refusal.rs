//! The error for a source that cannot be.

use crate::{Error, ErrorKind};

pub(super) fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read the source of a collection", why)
}
