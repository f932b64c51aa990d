//! Changes of what is kept of older versions.

use repo_core::strategy::{
    Applied, OlderState, OlderVersion, VersionWrite, check_version_writes, no_history,
};
use repo_core::{CollectionName, EntityId, Result, Version};

use super::{Batch, text_of};
use crate::format::{ByOp, OlderOp, Op, WasOp};
use crate::names::WRITE_HISTORY;
use crate::table::{History, Older, Was, size_of_record};

impl Batch<'_> {
    /// Decides each write on what is known of its version. It has to be alone in its group.
    pub(crate) fn write_versions(
        &mut self,
        name: &CollectionName,
        writes: &[VersionWrite],
    ) -> Result<Vec<Applied>> {
        check_version_writes(writes)?;
        self.check_apply(WRITE_HISTORY)?;
        let (env, state) = (self.env, self.state);
        let table = state.table(env, WRITE_HISTORY, name)?;
        let none = || no_history(WRITE_HISTORY, name, &env.location);
        let history = table.history.as_ref().ok_or_else(none)?;
        let added = writes.iter().map(|write| size_of_record(write.of().0)).sum();
        let only_less =
            writes.iter().all(|w| matches!(w, VersionWrite::Clear(..) | VersionWrite::Remove(..)));
        // On an error nothing of them is in the batch.
        self.grow(WRITE_HISTORY, if only_less { 0 } else { added })?;
        let mut answers = Vec::with_capacity(writes.len());
        for write in writes {
            answers.push(self.write_version(name, history, write)?);
        }
        Ok(answers)
    }

    fn write_version(
        &mut self,
        name: &CollectionName,
        history: &History,
        write: &VersionWrite,
    ) -> Result<Applied> {
        let (id, version) = write.of();
        let key = (id.clone(), version);
        let known = history.older.get(&key);
        match write {
            VersionWrite::Add(added) => self.add_version(name, added, known),
            VersionWrite::Clear(..) => {
                self.forget_by(name, history, &key);
                let Some(known) = known.filter(|known| known.was != Was::Removed) else {
                    return Ok(Applied::Equal);
                };
                self.older(name, key, known.updated_at, WasOp::Removed);
                Ok(Applied::Applied)
            }
            VersionWrite::Remove(..) => {
                self.forget_by(name, history, &key);
                let Some(known) = known else { return Ok(Applied::Equal) };
                self.older(name, key, known.updated_at, WasOp::Forgotten);
                Ok(Applied::Applied)
            }
            VersionWrite::Attribute(_, _, to) => Ok(match history.by.get(&key) {
                Some(by) if **by == *to => Applied::Equal,
                Some(_) => Applied::Diverged,
                None => {
                    let (collection, id) = (name.clone(), id.clone());
                    let by = ByOp { collection, id, version, by: Some(to.clone()) };
                    self.ops.push((Op::By(by), None));
                    Applied::Applied
                }
            }),
        }
    }

    fn add_version(
        &mut self,
        name: &CollectionName,
        added: &OlderVersion,
        known: Option<&Older>,
    ) -> Result<Applied> {
        let (was, document) = match &added.state {
            OlderState::Live { created_at, document } => {
                let text = text_of(document)?;
                (WasOp::Live { created_at: created_at.as_micros(), text }, Some(document.clone()))
            }
            OlderState::Deleted => (WasOp::Deleted, None),
            OlderState::Removed => (WasOp::Removed, None),
        };
        if let Some(known) = known {
            let same = is_same(&was, &known.was);
            return Ok(if same { Applied::Equal } else { Applied::Diverged });
        }
        let op = OlderOp {
            collection: name.clone(),
            id: added.id.clone(),
            version: added.version,
            updated_at: added.updated_at.as_micros(),
            was,
        };
        self.ops.push((Op::Older(op), document));
        Ok(Applied::Applied)
    }

    fn forget_by(&mut self, name: &CollectionName, history: &History, key: &(EntityId, Version)) {
        if history.by.contains_key(key) {
            let (collection, id, version) = (name.clone(), key.0.clone(), key.1);
            self.ops.push((Op::By(ByOp { collection, id, version, by: None }), None));
        }
    }

    fn older(
        &mut self,
        name: &CollectionName,
        (id, version): (EntityId, Version),
        updated_at: i64,
        was: WasOp,
    ) {
        let op = OlderOp { collection: name.clone(), id, version, updated_at, was };
        self.ops.push((Op::Older(op), None));
    }
}

/// Whether both say the same of one version. Times do not count.
fn is_same(was: &WasOp, known: &Was) -> bool {
    match (was, known) {
        (WasOp::Live { text, .. }, Was::Live { place, .. }) => text.digest == place.digest,
        (WasOp::Deleted, Was::Deleted) | (WasOp::Removed, Was::Removed) => true,
        _ => false,
    }
}
