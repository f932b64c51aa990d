//! Changes of what is kept of older versions.

use repo_core::strategy::{
    Applied, OlderState, OlderVersion, VersionWrite, check_version_writes, no_history,
};
use repo_core::{Attribution, CollectionName, EntityId, Error, ErrorKind, Key, Result, Version};

use super::{Batch, Pending};
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
        self.check_apply(WRITE_HISTORY)?;
        let (env, state) = (self.env, self.state);
        let stored = collection(env, state, WRITE_HISTORY, name)?;
        let none = || no_history(WRITE_HISTORY, name, &env.location);
        let history = stored.history.as_deref().ok_or_else(none)?;
        // On an error nothing of them is in the batch.
        let documents = || state.documents(env, stored);
        let by = history.attributions(documents(), writes.iter().map(VersionWrite::of)).read()?;
        let mut decided = Vec::with_capacity(writes.len());
        for (write, by) in writes.iter().zip(&by) {
            let (id, version) = write.of();
            let known = match write {
                VersionWrite::Attribute(..) => None,
                _ => self.known_version(stored, history, id, version)?,
            };
            decided.push(decide(write, known.as_ref(), by.as_ref()));
        }
        let mut answers = Vec::with_capacity(writes.len());
        for ((write, by), (answer, updated_at)) in writes.iter().zip(by).zip(decided) {
            let forgets = matches!(write, VersionWrite::Clear(..) | VersionWrite::Remove(..));
            if forgets && by.is_some() {
                self.push_older(name, write.of(), 0, OlderOpState::Unattributed);
            }
            if answer == Applied::Applied {
                self.push_version(name, write, updated_at)?;
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Keeps who makes a version, where its history is kept.
    pub(super) fn attribute(
        &mut self,
        key: &Key,
        pending: &Pending,
        by: &Attribution,
    ) -> Result<()> {
        let keeps = match &self.record {
            Some(record) => record.history.contains_key(&key.collection),
            None => {
                let stored = self.state.collections.get(&key.collection);
                stored.is_some_and(|stored| stored.history.is_some())
            }
        };
        if keeps {
            let (by, version) = (text_of(by)?, Version::new(pending.version)?);
            let state = OlderOpState::Attributed { by: &by };
            self.push_older(&key.collection, (&key.id, version), pending.updated_at, state);
        }
        Ok(())
    }

    fn known_version(
        &self,
        stored: &Collection,
        history: &History,
        id: &EntityId,
        version: Version,
    ) -> Result<Option<OlderVersion>> {
        let below = [Below { id, version: version.get().saturating_add(1), oldest: version.get() }];
        let view = history.view(self.state.documents(self.env, stored), &below, 1);
        let found = view.read(&below, 1)?.pop();
        Ok(found.filter(|found| found.version == version))
    }

    fn push_version(
        &mut self,
        name: &CollectionName,
        write: &VersionWrite,
        updated_at: i64,
    ) -> Result<()> {
        let text;
        let state = match write {
            VersionWrite::Attribute(_, _, by) => {
                text = text_of(by)?;
                OlderOpState::Attributed { by: &text }
            }
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
        self.push_older(name, write.of(), updated_at, state);
        Ok(())
    }

    fn push_older(
        &mut self,
        name: &CollectionName,
        (id, version): (&EntityId, Version),
        updated_at: i64,
        state: OlderOpState<'_>,
    ) {
        let (collection, id, version) = (name.as_str(), id.as_str(), version.get());
        let op = OlderOp { collection, id, version, updated_at, state };
        push_op(&mut self.payload, &Op::Older(op));
    }
}

fn text_of(by: &Attribution) -> Result<String> {
    serde_json::to_string(by).map_err(|source| {
        let why = "an attribution cannot be written as JSON";
        Error::new(ErrorKind::Invalid, WRITE_HISTORY, why).caused_by(source)
    })
}

/// What a write answers against what is known of its version and of who wrote it, and
/// when that was written, in microseconds since 1970.
fn decide(
    write: &VersionWrite,
    known: Option<&OlderVersion>,
    by: Option<&Attribution>,
) -> (Applied, i64) {
    let written = known.map_or(0, |known| known.updated_at.as_micros());
    let changes = |changes| if changes { Applied::Applied } else { Applied::Equal };
    match write {
        VersionWrite::Add(added) => (added.compare_to_stored(known), added.updated_at.as_micros()),
        VersionWrite::Clear(..) => {
            (changes(known.is_some_and(|known| known.state != OlderState::Removed)), written)
        }
        VersionWrite::Remove(..) => (changes(known.is_some()), written),
        VersionWrite::Attribute(_, _, to) => match by {
            None => (Applied::Applied, written),
            Some(by) if by == to => (Applied::Equal, written),
            Some(_) => (Applied::Diverged, written),
        },
    }
}
