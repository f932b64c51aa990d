//! Following the change feed, so that what others write is forgotten.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use repo_core::ErrorKind;
use repo_core::strategy::{FeedPosition, Record, StorageStrategy};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::entries::Entries;
use crate::Inner;

/// Most changes that are read at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(511);
/// How long to wait before looking again whether changes are captured.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);

/// The task that follows the feed through a handle, if no clone's does. It ends with the
/// handle.
#[derive(Debug, Default)]
pub(super) struct Follower {
    task: Mutex<Option<AbortHandle>>,
    /// Whether the handle has no feed to follow.
    in_vain: Arc<AtomicBool>,
}

impl Follower {
    /// Starts the task, unless somebody follows for these entries already.
    pub(super) fn start(&self, entries: &Arc<Entries>, inner: &Inner, every: Duration) {
        if self.in_vain.load(Ordering::Relaxed) || !entries.claim_feed() {
            return;
        }
        let claim = Claim(Arc::downgrade(entries));
        // Without a runtime the claim is given back, and the next read tries again.
        let Ok(runtime) = Handle::try_current() else { return };
        let (store, in_vain) = (Arc::downgrade(inner), Arc::clone(&self.in_vain));
        let task = runtime.spawn(async move {
            follow(&claim, &store, every).await;
            in_vain.store(true, Ordering::Relaxed);
        });
        *self.lock() = Some(task.abort_handle());
    }

    /// Ends the task.
    pub(super) fn stop(&self) {
        if let Some(task) = self.lock().take() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

/// That nobody else follows for these entries.
struct Claim(Weak<Entries>);

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(entries) = self.0.upgrade() {
            entries.release_feed();
        }
    }
}

/// What to do after a look at the feed.
enum Next {
    /// Look again at once.
    Look,
    /// Look again after a while.
    Wait(Duration),
    /// The feed cannot be followed.
    End,
}

/// Returns when there is no handle any more, or no feed that it could follow.
async fn follow(claim: &Claim, store: &Weak<dyn StorageStrategy>, every: Duration) {
    let mut at = None;
    loop {
        // Neither is held while nothing is done: a handle that is dropped is gone.
        let next = match (claim.0.upgrade(), store.upgrade()) {
            (Some(entries), Some(store)) => look(&entries, &*store, &mut at, every).await,
            _ => return,
        };
        match next {
            Next::Look => {}
            Next::Wait(pause) => tokio::time::sleep(pause).await,
            Next::End => return,
        }
    }
}

/// Forgets what changed after a position, and moves it on. Without one it goes to the
/// head of the feed, and forgets everything: nothing says what changed before.
async fn look(
    entries: &Entries,
    store: &dyn StorageStrategy,
    at: &mut Option<FeedPosition>,
    every: Duration,
) -> Next {
    let looked = match &*at {
        None => store.head().await.map(|head| (Vec::new(), head)),
        Some(position) => {
            let found = store.changes(Some(position), AT_ONCE).await;
            found.map(|found| (found.changes, found.next))
        }
    };
    match looked {
        Ok((changes, next)) => {
            if at.is_none() {
                entries.forget_all();
            }
            for change in &changes {
                entries.changed(&change.key, change.record.as_ref().map(Record::version));
            }
            *at = Some(next);
            if changes.len() < AT_ONCE.get() { Next::Wait(every) } else { Next::Look }
        }
        Err(error) => match error.kind() {
            ErrorKind::Closed | ErrorKind::Unsupported => Next::End,
            // Changes are not captured.
            ErrorKind::NotFound => Next::Wait(BETWEEN_LOOKS),
            // What follows the position is gone, or it is one of another store by now.
            ErrorKind::FeedExpired | ErrorKind::Invalid => {
                *at = None;
                Next::Wait(every)
            }
            // The entries end by their age meanwhile.
            _ => Next::Wait(every),
        },
    }
}
