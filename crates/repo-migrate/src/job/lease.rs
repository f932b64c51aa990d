//! Holding a migration: one run at a time for each target.
//!
//! The id of the job, as the store keeps it, names the run that holds it. Each
//! write names the id that it expects there, so a run that was taken over can no
//! longer write a checkpoint, and ends.

use std::sync::Arc;

use repo_core::strategy::{JobId, StoreUpdate};
use repo_core::{Clock as _, CollectionName, Error, ErrorKind, Result, SystemClock};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::job::checkpoint::{Checkpoint, Copied};
use crate::job::holder::{AtWork, Holder, LEASE_TIME};
use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// A migration that this run holds.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    renewal: AbortHandle,
    _at_work: AtWork,
}

#[derive(Debug)]
struct Shared {
    target: StoreReference,
    /// Held by this run.
    id: JobId,
    checkpoint: Mutex<Checkpoint>,
}

impl Lease {
    /// Takes the job that is stored as `stored`, or a new one, as `job`.
    ///
    /// # Errors
    /// `Locked` when something else is stored by now.
    pub(crate) async fn take(
        target: &StoreReference,
        job: JobId,
        stored: Option<JobId>,
        mut checkpoint: Checkpoint,
    ) -> Result<Self> {
        let owner = Holder::new(SystemClock.now());
        let at_work = AtWork::new(&owner.token);
        let id = job.held_by(&owner.token);
        checkpoint.owner = Some(owner);
        let job = Some(checkpoint.to_job(id.clone())?);
        let update = StoreUpdate::Job { expected: stored, job };
        target.update(update).await.map_err(begun_meanwhile)?;
        let checkpoint = Mutex::new(checkpoint);
        let shared = Arc::new(Shared { target: target.clone(), id, checkpoint });
        let renewal = tokio::spawn(Shared::renew(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, renewal, _at_work: at_work })
    }

    /// The id that the target keeps: its holder is this run alone.
    pub(crate) fn id(&self) -> &JobId {
        &self.shared.id
    }

    /// What was last stored, and noted since.
    pub(crate) async fn checkpoint(&self) -> Checkpoint {
        self.shared.checkpoint.lock().await.clone()
    }

    /// How far one collection is.
    pub(crate) async fn copied(&self, name: &CollectionName) -> Copied {
        let checkpoint = self.shared.checkpoint.lock().await;
        checkpoint.copied.get(name).copied().unwrap_or_default()
    }

    /// Changes the checkpoint, to be stored with the next change that is.
    pub(crate) async fn note(&self, change: impl FnOnce(&mut Checkpoint)) {
        change(&mut *self.shared.checkpoint.lock().await);
    }

    /// Changes the checkpoint and stores it, durably.
    ///
    /// # Errors
    /// `Locked` when another run has taken the migration over.
    pub(crate) async fn save(&self, change: impl FnOnce(&mut Checkpoint)) -> Result<()> {
        self.shared.save(change).await
    }

    /// Gives the migration back unfinished, for any run to resume.
    pub(crate) async fn give_back(self) -> Result<()> {
        self.renewal.abort();
        self.shared.save(|checkpoint| checkpoint.owner = None).await
    }

    /// Ends the migration: the target is free for others.
    ///
    /// # Errors
    /// `Locked` when another run has taken it over.
    pub(crate) async fn finish(self) -> Result<()> {
        self.renewal.abort();
        // A renewal that is under way holds the lock; after it none follows.
        let _last = self.shared.checkpoint.lock().await;
        let expected = Some(self.shared.id.clone());
        let update = StoreUpdate::Job { expected, job: None };
        self.shared.target.update(update).await.map_err(taken_over)?;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl Shared {
    async fn save(&self, change: impl FnOnce(&mut Checkpoint)) -> Result<()> {
        let mut kept = self.checkpoint.lock().await;
        let mut checkpoint = kept.clone();
        change(&mut checkpoint);
        if let Some(owner) = &mut checkpoint.owner {
            owner.renewed_at = SystemClock.now();
        }
        let job = Some(checkpoint.to_job(self.id.clone())?);
        let update = StoreUpdate::Job { expected: Some(self.id.clone()), job };
        self.target.update(update).await.map_err(taken_over)?;
        *kept = checkpoint;
        Ok(())
    }

    /// Renews the lease while the run is busy with something else. A renewal that
    /// fails is made up for by the next; a lost lease shows at the next save.
    async fn renew(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LEASE_TIME / 4).await;
            if let Err(error) = self.save(|_| ()).await {
                tracing::warn!(%error, "the lease of the migration could not be renewed");
            }
        }
    }
}

fn begun_meanwhile(error: Error) -> Error {
    if error.kind() != ErrorKind::Locked {
        return error;
    }
    Error::new(ErrorKind::Locked, "migrate", "another run into the target began meanwhile")
        .caused_by(error)
        .remedy(Remedy::SeeHolder)
}

fn taken_over(error: Error) -> Error {
    if error.kind() != ErrorKind::Locked {
        return error;
    }
    Error::new(ErrorKind::Locked, "migrate", "another run has taken the migration over")
        .caused_by(error)
        .remedy(Remedy::SeeHolder)
}
