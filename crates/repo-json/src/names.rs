//! What the calls about the change feed and the history are called in errors.

pub(crate) const READ_FEED: &str = "read the change feed";
pub(crate) const TRIM_FEED: &str = "remove old changes";
pub(crate) const READ_HISTORY: &str = "read the history";
pub(crate) const KEEP_HISTORY: &str = "keep the history";
pub(crate) const WRITE_HISTORY: &str = "change the history";
pub(crate) const READ_ITEMS: &str = "read the engine's own items";
pub(crate) const WRITE_ITEMS: &str = "write the engine's own items";
