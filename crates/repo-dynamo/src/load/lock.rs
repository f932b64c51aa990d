//! Locks that are only ever held for a moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the mutex guards. No holder leaves it half changed, so one that panicked
/// did no harm.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
