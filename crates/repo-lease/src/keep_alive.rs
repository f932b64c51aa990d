//! Renewing a lease while its holder works.

use std::sync::Arc;

use repo_core::ErrorKind;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::holding::Holding;
use crate::lease::Lease;
use crate::pauses;

/// A task that renews a lease. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the lease is renewed no longer when this is dropped"]
pub struct KeepAlive {
    task: AbortHandle,
    lost: watch::Receiver<bool>,
}

impl Lease {
    /// Renews the lease three times as often as it has to be, in a task of the runtime, until
    /// what this returns is dropped. A renewal that fails is tried again until the time of the
    /// lease has passed. A process that was stopped for longer renews when it goes on, if
    /// nobody took the lease over.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn keep_alive(&self) -> KeepAlive {
        let (lost, told) = watch::channel(false);
        let task = tokio::spawn(renew_until_lost(Arc::clone(&self.holding), lost));
        KeepAlive { task: task.abort_handle(), lost: told }
    }
}

impl KeepAlive {
    /// Waits until the lease is lost, or could not be renewed in its time. For `select!`
    /// beside work whose effects are not in the store.
    pub async fn lost(&mut self) {
        // An error: the task has ended without a word, so nobody renews the lease.
        let _ = self.lost.wait_for(|lost| *lost).await;
    }

    /// Whether that is so already.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow() || self.task.is_finished()
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew_until_lost(holding: Arc<Holding>, lost: watch::Sender<bool>) {
    let ttl = holding.holder().ttl.as_duration();
    loop {
        sleep(ttl / 3).await;
        if !is_renewed(&holding).await {
            // Nobody may be listening.
            let _ = lost.send(true);
            return;
        }
    }
}

/// Renews, several times if need be. The first attempt is made however late it is.
async fn is_renewed(holding: &Holding) -> bool {
    let mut pauses = pauses::renewing(holding.holder().ttl);
    loop {
        let Err(error) = holding.renew().await else { return true };
        // `Locked`: a store that is about to move takes no writes for a moment.
        let may_pass = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::OutcomeUnknown | ErrorKind::Locked
        );
        match pauses.next() {
            Some(pause) if may_pass && !holding.remaining().is_zero() => sleep(pause).await,
            _ => return false,
        }
    }
}
