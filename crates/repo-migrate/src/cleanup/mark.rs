//! What may be removed from a source, and the mark that a source carries while
//! that is done.

use repo_core::strategy::{MigrationState, Record, StorageStrategy, StoreUpdate};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// The version of the mark's form; another one cannot be gone on with.
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
pub(crate) struct Mark {
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

    fn of(mark: Mark) -> Self {
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

impl Mark {
    /// Reads what a store keeps; `None` when this tool did not write it.
    pub(crate) fn read(stored: &MigrationState) -> Option<Self> {
        let mark: Self = serde_json::from_str(&stored.progress).ok()?;
        (stored.is_clean_up() && mark.format == FORMAT).then_some(mark)
    }

    fn to_state(&self) -> Result<MigrationState> {
        let unwritable = |source: serde_json::Error| {
            Error::new(ErrorKind::Invalid, "clean up", "the mark cannot be written")
                .caused_by(source)
        };
        let progress = serde_json::to_string(self).map_err(unwritable)?;
        let text = serde_json::to_vec(&(&self.source, &self.target, &self.collections));
        let hash = blake3::hash(&text.map_err(unwritable)?).to_hex();
        Ok(MigrationState { plan: format!("{}{hash}", MigrationState::CLEAN_UP), progress })
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
    let stored = source.record().await?.migration;
    let Some(stored) = stored.filter(MigrationState::is_clean_up) else { return Ok(None) };
    match Mark::read(&stored) {
        Some(mark) if mark.target == target.location() => Ok(Some(Verified::of(mark))),
        _ => Err(unfinished(&source, &stored)),
    }
}

/// The refusal of a store whose clean-up is unfinished.
pub(crate) fn unfinished(side: &StoreReference, stored: &MigrationState) -> Error {
    let what = "a clean-up of the store after a migration out of it is unfinished";
    let error = side.err(Error::new(ErrorKind::Locked, "migrate", what));
    let Some(mark) = Mark::read(stored) else {
        return error.hint("finish it with the version of the tool that began it");
    };
    error
        .with("its_target", &mark.target)
        .with("begun_at", mark.begun_at)
        .remedy(Remedy::FinishCleanUp)
}

/// Marks the source, and returns what it then keeps as the plan.
pub(crate) async fn mark(
    source: &StoreReference,
    verified: &Verified,
    now: Timestamp,
) -> Result<String> {
    let mark = Mark {
        format: FORMAT,
        source: verified.source.clone(),
        target: verified.target.clone(),
        collections: verified.collections.clone(),
        begun_at: now,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        by_document: verified.by_document,
    };
    let state = mark.to_state()?;
    let plan = state.plan.clone();
    let stored = source.record().await?.migration;
    if stored.as_ref().is_some_and(|stored| stored.plan == plan) {
        return Ok(plan);
    }
    source.update(StoreUpdate::Migration { expected: None, state: Some(state) }).await?;
    Ok(plan)
}

/// Removes the mark, unless that is done.
pub(crate) async fn unmark(source: &StoreReference, plan: String) -> Result<()> {
    let update = StoreUpdate::Migration { expected: Some(plan), state: None };
    match source.update(update).await {
        Err(error) if error.kind() == ErrorKind::Locked => Ok(()),
        done => done.map(|_| ()),
    }
}
