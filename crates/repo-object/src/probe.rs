//! One look at the end of the log for many readers.
//!
//! A strong read has to see what was acknowledged before it began, so it needs a look at the
//! end of the log that began later. All reads that wait when one begins share it. A write
//! that was acknowledged is such a look too: nothing was behind its frame when it was made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use repo_core::{Error, Result};
use tokio::sync::MutexGuard;

use crate::errors;
use crate::moment::Moment;

/// Which looks began, and which of them ended well.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    begun: AtomicU64,
    ended: Mutex<Ended>,
    /// Held by who looks, and by who changes what was seen.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Ended {
    /// The last look that ended well, and when it began.
    well: u64,
    at: Option<Moment>,
    /// The last one that failed, and how.
    badly: Option<(u64, Error)>,
}

/// A look that is being made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    number: u64,
    began: Moment,
}

impl Look {
    /// When it began.
    pub(crate) fn began(self) -> Moment {
        self.began
    }
}

impl Probe {
    /// The number of the first look that begins from now on.
    pub(crate) fn next(&self) -> u64 {
        self.begun.load(Ordering::SeqCst) + 1
    }

    /// The right to look.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Begins a look.
    pub(crate) fn begin(&self) -> Look {
        let began = Moment::now();
        Look { number: self.begun.fetch_add(1, Ordering::SeqCst) + 1, began }
    }

    /// Ends a look that saw the end of the log.
    pub(crate) fn end(&self, look: Look) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.well < look.number {
            ended.well = look.number;
            ended.at = Some(look.began);
        }
    }

    /// Ends one that saw nothing.
    pub(crate) fn fail(&self, look: Look, error: &Error) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.badly = Some((look.number, errors::repeat(error)));
    }

    /// What became of the looks from a number on; `None` while none of them has ended.
    pub(crate) fn since(&self, number: u64) -> Option<Result<()>> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.well >= number {
            return Some(Ok(()));
        }
        let (failed, error) = ended.badly.as_ref()?;
        (*failed >= number).then(|| Err(errors::repeat(error)))
    }

    /// When the last look began that ended well.
    pub(crate) fn last(&self) -> Option<Moment> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).at
    }
}

#[cfg(test)]
mod tests {
    use repo_core::ErrorKind;

    use super::*;

    #[test]
    fn a_look_counts_for_who_came_before_it_began() {
        let probe = Probe::default();
        let early = probe.next();
        let look = probe.begin();
        let late = probe.next();
        assert!(probe.since(early).is_none());
        probe.end(look);
        assert!(probe.since(early).unwrap().is_ok());
        assert!(probe.since(late).is_none());
        let error = Error::new(ErrorKind::Unavailable, "look", "no");
        probe.fail(probe.begin(), &error);
        let failed = probe.since(late).unwrap().unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Unavailable);
        assert!(probe.since(early).unwrap().is_ok(), "what was seen stays seen");
        let other = probe.next();
        assert!(probe.since(other).is_none());
        probe.end(probe.begin());
        assert!(probe.since(late).unwrap().is_ok());
    }
}
