//! One frame: written, synced, made visible.

use std::collections::HashMap;

use repo_core::{ErrorKind, Key, Result};

use super::Session;
use crate::batch::Pending;
use crate::errors;
use crate::hooks::Step;
use crate::journal::{FRAME_HEAD, append, decode_ops, frame_of};
use crate::state::JournalState;

impl Session {
    /// Writes a payload as one frame, syncs it, and makes it visible.
    pub(crate) fn write(&self, payload: &[u8], records: HashMap<Key, Pending>) -> Result<()> {
        if payload.is_empty() {
            return Ok(());
        }
        let journal = self.store.state().journal.clone();
        let journal =
            journal.ok_or_else(|| errors::no_store("commit", &self.store.env.location))?;
        let frame = frame_of(journal.generation, journal.sequence + 1, payload);
        self.append_durably(&journal, &frame)?;
        self.make_visible(&journal, payload, frame.len() as u64)?;
        let mut cache = self.store.cache();
        for (key, pending) in records {
            if let Some(document) = pending.document {
                cache.put(&key.collection, &key.id, pending.version, document);
            }
        }
        Ok(())
    }

    fn append_durably(&self, journal: &JournalState, frame: &[u8]) -> Result<()> {
        let hooks = &self.store.env.hooks;
        let path = self.store.env.folder.journal();
        let written =
            hooks.step(Step::AppendFrame).and_then(|()| append(&journal.file, journal.end, frame));
        if let Err(source) = written {
            let cut = hooks.step(Step::CutBack).and_then(|()| journal.file.set_len(journal.end));
            if let Err(error) = cut {
                self.store.poison(&format!("the journal could not be cut back: {error}"));
            }
            let error = errors::io("commit", &path, source);
            return Err(match error.kind() {
                ErrorKind::PermissionDenied => error,
                _ => error.into_kind(ErrorKind::Unavailable),
            });
        }
        if !self.store.env.settings.sync_writes {
            return Ok(());
        }
        hooks.count_sync();
        hooks.step(Step::SyncFrame).and_then(|()| journal.file.sync_data()).map_err(|source| {
            self.store.poison(&format!("the journal could not be synced: {source}"));
            // So that other processes do not take it for a durable frame.
            if let Err(error) = journal.file.set_len(journal.end) {
                tracing::error!(%error, "the journal could not be cut back after a failed sync");
            }
            errors::sync_failed(&path, source)
        })
    }

    fn make_visible(&self, journal: &JournalState, payload: &[u8], bytes: u64) -> Result<()> {
        let mut state = self.store.state_mut();
        let payload_at = journal.end + FRAME_HEAD;
        for op in decode_ops(payload) {
            let applied =
                op.and_then(|(op, at)| state.apply(&self.store.env, op, payload_at + at as u64));
            if applied.is_none() {
                self.store.poison("a frame that was written cannot be read");
                return Err(errors::undecodable(&self.store.env.folder.journal(), payload_at));
            }
        }
        state.end_frame(journal.sequence + 1, journal.end + bytes);
        Ok(())
    }
}
