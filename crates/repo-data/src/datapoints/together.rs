//! Values that are submitted at the same time are stored by one commit, in which the counters
//! of their owners are read and written once. Who is refused there is stored, or refused, by a
//! commit of its own; so nobody meets what is against another one.

use std::sync::Arc;

use repo_core::{Document, ErrorKind, Precondition, Result, Version, Write, Written};
use tokio::sync::oneshot;

use crate::model::Datapoint;
use crate::records::{Versioned, key};
use crate::service::DataService;
use crate::usage::{Place, Tally, added};
use crate::waiting::{Committer, Submission};

/// How often a commit is tried when somebody else changes its counters.
const TRIES: usize = 3;

impl DataService {
    /// Stores a new value together with the others that are submitted now; gives it back when
    /// it has to be stored alone.
    pub(super) async fn store_together(
        &self,
        datapoint: Datapoint,
    ) -> std::result::Result<Versioned<Datapoint>, Datapoint> {
        let (stored, version) = oneshot::channel();
        let datapoint = Arc::new(datapoint);
        let by = self.attribution().cloned().map(Arc::new);
        let submission = Submission { datapoint: Arc::clone(&datapoint), by, stored };
        if self.waiting().add(submission) {
            // A task of its own: a caller that gives up takes nobody else with it.
            tokio::spawn(commit_all(self.clone()));
        }
        let version = version.await.ok().flatten();
        let value = Arc::unwrap_or_clone(datapoint);
        match version {
            Some(version) => Ok(Versioned { value, version }),
            None => Err(value),
        }
    }

    /// One commit of all, tried again when counters changed in between.
    async fn commit_together(&self, batch: &[Submission]) -> Result<Vec<Option<Version>>> {
        let mut tries = 1;
        loop {
            self.options().hooks.alive()?;
            match self.strategy().commit(self.writes_of(batch).await?).await {
                Ok(written) => {
                    return Ok(written
                        .into_iter()
                        .take(batch.len())
                        .map(Written::version)
                        .collect());
                }
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The datapoints in their order, then the counters.
    async fn writes_of(&self, batch: &[Submission]) -> Result<Vec<Write>> {
        let mut writes = Vec::with_capacity(batch.len() + 1);
        let mut tally = Tally::default();
        for Submission { datapoint, by, .. } in batch {
            let place = Place { owner: &datapoint.owner, dataset: None, store: None };
            tally.add(place, added(datapoint.size, 0, 1));
            let key = key::<Datapoint>(datapoint.id.as_str())?;
            let document = Document::from_serialize(&**datapoint)?;
            let write = Write::put(key, document, Precondition::Absent);
            writes.push(write.attributed_to(by.clone()));
        }
        let by = batch.first().and_then(|first| first.by.clone());
        let counters = tally.writes(&**self.strategy(), self.turn()).await?;
        writes.extend(counters.into_iter().map(|write| write.attributed_to(by.clone())));
        Ok(writes)
    }
}

async fn commit_all(service: DataService) {
    let mut committer = Committer::new(service.waiting());
    while let Some(batch) = committer.next() {
        let versions = service.commit_together(&batch).await;
        // What is against one of them comes again when that one is stored alone.
        let versions = versions.unwrap_or_else(|_| vec![None; batch.len()]);
        for (submission, version) in batch.into_iter().zip(versions) {
            // Who does not wait any more has given up.
            submission.stored.send(version).ok();
        }
    }
}
