//! Changes of what is kept of older versions.

use repo_core::strategy::{
    Applied, OlderState, OlderVersion, VersionWrite, check_version_writes, no_history,
};
use repo_core::{CollectionName, EntityId, Result, Version};

use super::Batch;
use crate::history::{Below, History};
use crate::journal::{OlderOp, OlderOpState, Op, push_op};
use crate::names::WRITE_HISTORY;
use crate::state::Collection;
use crate::store::collection;

impl Batch<'_> {
    /// Decides each write on what is known of its version. It has to be alone in its
    /// group.
    pub(crate) fn write_versions(
        &mut self,
        name: &CollectionName,
        writes: &[VersionWrite],
    ) -> Result<Vec<Applied>> {
        check_version_writes(writes)?;
        let (env, state) = (self.env, self.state);
        let stored = collection(env, state, WRITE_HISTORY, name)?;
        let none = || no_history(WRITE_HISTORY, name, &env.location);
        let history = stored.history.as_deref().ok_or_else(none)?;
        // On an error nothing of them is in the batch.
        let mut decided = Vec::with_capacity(writes.len());
        for write in writes {
            let (id, version) = write.of();
            let known = self.known_version(stored, history, id, version)?;
            decided.push(decide(write, known.as_ref()));
        }
        let mut answers = Vec::with_capacity(writes.len());
        for (write, (answer, updated_at)) in writes.iter().zip(decided) {
            if answer == Applied::Applied {
                self.push_version(name, write, updated_at);
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    fn known_version(
        &self,
        stored: &Collection,
        history: &History,
        id: &EntityId,
        version: Version,
    ) -> Result<Option<OlderVersion>> {
        let below = [Below { id, version: version.get().saturating_add(1) }];
        let view = history.view(self.state.documents(self.env, stored), &below, 1);
        let found = view.read(&below, 1)?.pop();
        Ok(found.filter(|found| found.version == version))
    }

    fn push_version(&mut self, name: &CollectionName, write: &VersionWrite, updated_at: i64) {
        let (id, version) = write.of();
        let state = match write {
            VersionWrite::Clear(..) => OlderOpState::Removed,
            VersionWrite::Remove(..) => OlderOpState::Forgotten,
            VersionWrite::Add(added) => match &added.state {
                OlderState::Live { created_at, document } => OlderOpState::Live {
                    created_at: created_at.as_micros(),
                    document: document.as_str(),
                },
                OlderState::Deleted => OlderOpState::Deleted,
                OlderState::Removed => OlderOpState::Removed,
            },
        };
        let (collection, id, version) = (name.as_str(), id.as_str(), version.get());
        let op = OlderOp { collection, id, version, updated_at, state };
        push_op(&mut self.payload, &Op::Older(op));
    }
}

/// What a write answers against what is known of its version, and when that was
/// written, in microseconds since 1970.
fn decide(write: &VersionWrite, known: Option<&OlderVersion>) -> (Applied, i64) {
    let written = known.map_or(0, |known| known.updated_at.as_micros());
    let changes = |changes| if changes { Applied::Applied } else { Applied::Equal };
    match write {
        VersionWrite::Add(added) => (added.compare_to_stored(known), added.updated_at.as_micros()),
        VersionWrite::Clear(..) => {
            (changes(known.is_some_and(|known| known.state != OlderState::Removed)), written)
        }
        VersionWrite::Remove(..) => (changes(known.is_some()), written),
    }
}
