//! What may be removed from a source, and the mark that a source carries while
//! that is done.

use repo_core::strategy::{
    JobFingerprint, JobId, JobKind, Record, StorageStrategy, StoreUpdate, UnfinishedJob,
};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// The version of the mark's form; another one cannot be resumed.
const FORMAT: u32 = 1;

/// The proof that two stores were compared and hold the same, from
/// [`MigrationReport::verified`](crate::MigrationReport::verified) or [`unfinished_clean_up`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    source: String,
    target: String,
    collections: Vec<CollectionName>,
    /// Whether the source had no versions when it was verified: then documents
    /// were compared.
    by_document: bool,
}

/// What the source keeps while it is cleaned up. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CleanUpMark {
    format: u32,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) collections: Vec<CollectionName>,
    pub(crate) begun_at: Timestamp,
    pub(crate) tool_version: String,
    /// See [`Verified`].
    #[serde(default, skip_serializing_if = "is_false")]
    by_document: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(truth: &bool) -> bool {
    !truth
}

impl Verified {
    /// The proof from what a comparison reported.
    pub(crate) fn new(
        (source, target): (&str, &str),
        collections: Vec<CollectionName>,
        by_document: bool,
    ) -> Self {
        Self { source: source.to_owned(), target: target.to_owned(), collections, by_document }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    fn of(mark: CleanUpMark) -> Self {
        Self {
            source: mark.source,
            target: mark.target,
            collections: mark.collections,
            by_document: mark.by_document,
        }
    }

    /// Whether the target holds what the source holds, as it was verified.
    pub(crate) fn same(&self, theirs: &Record, ours: &Record) -> bool {
        if self.by_document { theirs.same_but_for_version(ours) } else { theirs.same_content(ours) }
    }

    /// The collections, by name.
    #[must_use]
    pub fn collections(&self) -> &[CollectionName] {
        &self.collections
    }

    /// Checks that these are the stores that were compared.
    pub(crate) fn check(&self, source: &StoreReference, target: &StoreReference) -> Result<()> {
        for (side, expected) in [(source, &self.source), (target, &self.target)] {
            if side.location() != expected {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "clean up",
                    "this is not the store that was verified",
                )
                .with("side", side.name())
                .with("store", side.location())
                .with("verified", expected));
            }
        }
        Ok(())
    }
}

impl CleanUpMark {
    /// Reads what a store keeps; `None` when this tool did not write it.
    pub(crate) fn read(stored: &UnfinishedJob) -> Option<Self> {
        let mark: Self = serde_json::from_str(stored.progress()).ok()?;
        (stored.kind() == JobKind::CleanUp && mark.format == FORMAT).then_some(mark)
    }

    fn to_job(&self) -> Result<UnfinishedJob> {
        let unwritable = |source: serde_json::Error| {
            Error::new(ErrorKind::Invalid, "clean up", "the mark cannot be written")
                .caused_by(source)
        };
        let progress = serde_json::to_string(self).map_err(unwritable)?;
        let text = serde_json::to_vec(&(&self.source, &self.target, &self.collections));
        let hash = blake3::hash(&text.map_err(unwritable)?).to_hex();
        let fingerprint = JobFingerprint::new(hash.to_string())?;
        UnfinishedJob::new(JobId::new(JobKind::CleanUp, fingerprint), progress)
    }
}

/// Finds a clean-up that has not finished, of this source after a migration
/// into this target.
///
/// # Errors
/// `Locked` when it is one after a migration into another target;
/// `Unsupported` when another version of the tool began it.
pub async fn unfinished_clean_up(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
) -> Result<Option<Verified>> {
    let (source, target) = (StoreReference::source(source), StoreReference::target(target));
    let stored = source.record().await?.job;
    let Some(stored) = stored.filter(|job| job.kind() == JobKind::CleanUp) else {
        return Ok(None);
    };
    match CleanUpMark::read(&stored) {
        Some(mark) if mark.target == target.location() => Ok(Some(Verified::of(mark))),
        _ => Err(unfinished(&source, &stored)),
    }
}

/// The refusal of a store whose clean-up is unfinished.
pub(crate) fn unfinished(side: &StoreReference, stored: &UnfinishedJob) -> Error {
    let what = "a clean-up of the store after a migration out of it is unfinished";
    let error = side.err(Error::new(ErrorKind::Locked, "migrate", what));
    let Some(mark) = CleanUpMark::read(stored) else {
        return error.hint("finish it with the version of the tool that began it");
    };
    error
        .with("its_target", &mark.target)
        .with("begun_at", mark.begun_at)
        .remedy(Remedy::FinishCleanUp)
}

/// Marks the source, and returns the job that it then keeps.
pub(crate) async fn mark(
    source: &StoreReference,
    verified: &Verified,
    now: Timestamp,
) -> Result<JobId> {
    let mark = CleanUpMark {
        format: FORMAT,
        source: verified.source.clone(),
        target: verified.target.clone(),
        collections: verified.collections.clone(),
        begun_at: now,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        by_document: verified.by_document,
    };
    let job = mark.to_job()?;
    let id = job.id().clone();
    let stored = source.record().await?.job;
    if stored.is_some_and(|stored| *stored.id() == id) {
        return Ok(id);
    }
    source.update(StoreUpdate::Job { expected: None, job: Some(job) }).await?;
    Ok(id)
}

/// Removes the mark, unless that is done.
pub(crate) async fn unmark(source: &StoreReference, job: JobId) -> Result<()> {
    let update = StoreUpdate::Job { expected: Some(job), job: None };
    match source.update(update).await {
        Err(error) if error.kind() == ErrorKind::Locked => Ok(()),
        done => done.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::StoredJob;

    use super::*;

    const MARK: &str = concat!(
        r#"{"format":1,"source":"json:/srv/a","target":"sqlite:/srv/b.db","#,
        r#""collections":["items"],"begun_at":"2026-03-01T08:00:00.123457Z","#,
        r#""tool_version":"0.1.0","by_document":true}"#,
    );

    #[test]
    fn a_clean_up_keeps_its_bytes() {
        let hash = "854ca31c59cbe8b9dcc9cf9499662d9057174cd076f026c734a45fe3fcd73315";
        let stored = StoredJob { plan: format!("clean-up:{hash}"), progress: MARK.to_owned() };
        let mark = CleanUpMark::read(&stored.clone().into()).unwrap();
        assert_eq!(StoredJob::from(mark.to_job().unwrap()), stored);
        let none = StoredJob { progress: MARK.replace("\"format\":1", "\"format\":2"), ..stored };
        assert_eq!(CleanUpMark::read(&none.into()), None);
    }
}
