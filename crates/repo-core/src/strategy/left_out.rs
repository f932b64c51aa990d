//! The error for what a build was made without.

use crate::{Error, ErrorKind};

/// The error of opening a store whose strategy a cargo feature left out.
#[must_use]
pub fn left_out(strategy: &str, feature: &str) -> Error {
    let why = format!("the strategy `{strategy}` was left out of this build");
    Error::new(ErrorKind::Unsupported, "open a store", why)
        .with("strategy", strategy)
        .hint(format!("build with the cargo feature `{feature}`"))
}
