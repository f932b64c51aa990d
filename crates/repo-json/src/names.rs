//! What the calls about the change feed are called in errors.

pub(crate) const READ_FEED: &str = "read the change feed";
pub(crate) const TRIM_FEED: &str = "remove old changes";
pub(crate) const READ_ITEMS: &str = "read the engine's own items";
pub(crate) const WRITE_ITEMS: &str = "write the engine's own items";
