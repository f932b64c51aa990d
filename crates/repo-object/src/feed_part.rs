//! The part of the feed that was read last from an object.

use std::sync::{Arc, Mutex, PoisonError};

use crate::format::ChangeOp;

/// The changes of one object, so that the pages of it read the object once.
#[derive(Debug, Default)]
pub(crate) struct LastPart(Mutex<Option<(String, Arc<Vec<ChangeOp>>)>>);

impl LastPart {
    /// The changes of an object, if it was the last one.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Vec<ChangeOp>>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(known, _)| known == name).map(|(_, changes)| Arc::clone(changes))
    }

    /// Keeps the changes of an object in the place of those of another one.
    pub(crate) fn set(&self, name: String, changes: Arc<Vec<ChangeOp>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, changes));
    }
}
