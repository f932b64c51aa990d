//! A read of the store that several callers may wait for.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Shared, WeakShared};
use repo_core::Error;
use repo_core::strategy::Record;

use super::entry::Begun;

/// What a read answers to all who wait for it: the records of its keys, by place.
pub(super) type Answer = Result<Arc<[Option<Record>]>, Failed>;

/// A read under way. Whoever waits for it moves it on, so nobody depends on the caller
/// who began it, and it ends when the last one gives up.
pub(super) type SharedRead = Shared<BoxFuture<'static, Answer>>;

/// Why a read failed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) error: Arc<Error>,
    /// Whether it was of one key: then the error is about that one.
    pub(super) of_one_key: bool,
}

/// The read of one key that others may join, and whose answer may be kept.
#[derive(Debug)]
pub(super) struct KeyRead {
    pub(super) begun: Begun,
    /// The place of the key among those that are read with it.
    place: usize,
    read: WeakShared<BoxFuture<'static, Answer>>,
}

impl KeyRead {
    /// The read of the key at a place of `read`; `None` when that has ended.
    pub(super) fn new(begun: Begun, place: usize, read: &SharedRead) -> Option<Self> {
        Some(Self { begun, place, read: read.downgrade()? })
    }

    /// The read, with the place of the key, unless everybody gave it up.
    pub(super) fn join(&self) -> Option<(SharedRead, usize)> {
        Some((self.read.upgrade()?, self.place))
    }
}
