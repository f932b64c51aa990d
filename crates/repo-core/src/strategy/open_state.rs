//! Whether a handle is open: what every method of a strategy asks first.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind, Result};

/// The state of one handle on a store: open, until it is closed for good.
#[derive(Debug, Default)]
pub struct OpenState {
    closed: AtomicBool,
}

impl OpenState {
    /// Refuses work on a handle that was closed. `location` is that of its
    /// store.
    ///
    /// # Errors
    /// `Closed` once [`close`](Self::close) was called.
    #[inline]
    pub fn check(&self, operation: &'static str, location: &str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(handle_closed(operation, location));
        }
        Ok(())
    }

    /// Closes the handle; whether this call did. Of several calls at the same
    /// time only one does.
    pub fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }
}

/// The error for work on a handle that was closed.
#[must_use]
pub fn handle_closed(operation: &'static str, location: &str) -> Error {
    Error::new(ErrorKind::Closed, operation, "this handle of the store is closed")
        .with("store", location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_open_until_it_is_closed_and_closed_once() {
        let state = OpenState::default();
        state.check("get", "here").unwrap();
        assert!(state.close());
        assert!(!state.close());
        let error = state.check("get", "here").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.context_value("store"), Some("here"));
    }
}
