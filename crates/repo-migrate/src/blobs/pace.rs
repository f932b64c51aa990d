//! Several blobs at a time, and again what a store refuses for now.

use std::error::Error as StdError;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use repo_core::{Error, ErrorKind, Result};

use crate::copy::throttle::Throttle;
use crate::progress::Progress;

/// How long a blob that a store refuses for now is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pace of a run.
pub(crate) struct Pace<'a> {
    throttle: Throttle<'a>,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(workers: NonZeroUsize, progress: &'a dyn Progress) -> Self {
        Self { throttle: Throttle::new(workers, None, PATIENCE, progress) }
    }

    /// Blobs at a time.
    pub(crate) fn workers(&self) -> usize {
        self.throttle.workers()
    }

    /// Does the work of one blob, which has to be safe to repeat.
    pub(crate) async fn blob<T, F: Future<Output = Result<T>>>(
        &self,
        work: impl Fn() -> F,
    ) -> Result<T> {
        self.throttle.batch(1, || async { work().await.map_err(no_room) }).await
    }
}

/// A disk that is full is not tried again.
fn no_room(error: Error) -> Error {
    let begin: &(dyn StdError + 'static) = &error;
    let mut chain = std::iter::successors(Some(begin), |error| (*error).source());
    let is_full = chain.any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            use io::ErrorKind as Io;
            matches!(error.kind(), Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge)
        })
    });
    if !is_full {
        return error;
    }
    error
        .into_kind(ErrorKind::LimitExceeded)
        .hint("make room there and give the same command again: blobs that are there are left")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::progress::Silent;

    #[tokio::test]
    async fn a_full_disk_is_told_at_once() {
        let tries = AtomicU64::new(0);
        let full = || async {
            tries.fetch_add(1, Ordering::SeqCst);
            let source = io::Error::from(io::ErrorKind::StorageFull);
            Err::<(), _>(
                Error::new(ErrorKind::Unavailable, "put", "there is no room left on the disk")
                    .caused_by(source),
            )
        };
        let error = Pace::new(NonZeroUsize::MIN, &Silent).blob(full).await.unwrap_err();
        assert_eq!((error.kind(), tries.into_inner()), (ErrorKind::LimitExceeded, 1));
        assert!(error.hint_text().unwrap().contains("same command"));
    }
}
