//! Journalled changes, made in memory: by the writer once they are durable, and by
//! whoever reads the journal.

use repo_core::strategy::{HistoryState, SystemCollection};
use repo_core::{CollectionName, Document, Result};

use super::{Collection, State};
use crate::env::Env;
use crate::history::History;
use crate::journal::Op;
use crate::table::{Place, Slot};

impl Collection {
    /// Begins, changes or ends the history.
    fn keep_history(&mut self, kept: Option<HistoryState>) {
        match (&mut self.history, kept) {
            (Some(history), Some(kept)) => history.kept = kept,
            (history, kept) => *history = kept.map(|kept| Box::new(History::new(kept))),
        }
    }
}

impl State {
    /// Makes one journalled change. `at` is where a put's document stands in
    /// the journal. `None` when the change makes no sense here.
    pub(crate) fn apply(&mut self, env: &Env, op: Op<'_>, at: u64) -> Option<()> {
        if op.collection().is_some_and(|name| !env.options.selects(name)) {
            return Some(());
        }
        match op {
            Op::Put { collection, id, version, created_at, updated_at, document } => {
                let len = u32::try_from(document.len()).ok()?;
                let place = Place::Journal;
                let slot = Slot { version, created_at, updated_at, offset: at, len, place };
                self.set_record(env, collection, id, slot, Some(document))
            }
            Op::Delete { collection, id, version, deleted_at } => {
                let slot = Slot::tombstone(version, deleted_at);
                self.set_record(env, collection, id, slot, None)
            }
            Op::Prepare { .. }
            | Op::Floor { .. }
            | Op::Purge { .. }
            | Op::History { .. }
            | Op::Older(_) => self.apply_to_collection(op, at),
            op => self.apply_to_store(op),
        }
    }

    /// A change of a collection besides its records.
    fn apply_to_collection(&mut self, op: Op<'_>, at: u64) -> Option<()> {
        match op {
            Op::Prepare { collection, schema_version, shape } => {
                let name = CollectionName::new(collection).ok()?;
                let new = || Collection::new(schema_version, shape);
                let collection = self.collections.entry(name).or_insert_with(new);
                collection.schema_version = schema_version;
                collection.shape = shape;
                collection.indexes = None;
            }
            Op::Floor { collection, floor } => {
                let collection = self.collections.get_mut(collection)?;
                collection.floor = collection.floor.max(floor);
            }
            Op::Purge { collection, older_than } => {
                self.collections.get_mut(collection)?.table.purge(older_than);
                self.note_record();
            }
            Op::History { collection, history } => {
                self.collections.get_mut(collection)?.keep_history(history);
            }
            Op::Older(op) => {
                let collection = self.collections.get_mut(op.collection)?;
                collection.history.as_mut()?.set_older(&op, at)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// A change of what the store keeps of itself.
    fn apply_to_store(&mut self, op: Op<'_>) -> Option<()> {
        match op {
            Op::Job(job) => self.job = job,
            Op::Id(id) => self.id = Some(id),
            Op::Role(role) => self.role = *role,
            Op::Capture { capture, trimmed } => {
                let feed = self.feed.as_mut()?;
                feed.capture = capture;
                feed.trim(trimmed);
            }
            Op::Item { collection, key, value } => {
                self.items.set(SystemCollection::named(collection)?, key, value);
            }
            // The `.meta` of its checkpoint has it.
            Op::Edited { .. } => {}
            _ => return None,
        }
        Some(())
    }

    /// Notes that a frame was applied, and where it ends.
    pub(crate) fn end_frame(&mut self, sequence: u64, end: u64) {
        if let Some(journal) = &mut self.journal {
            journal.sequence = sequence;
            journal.end = end;
        }
        if std::mem::take(&mut self.frame_changes)
            && let Some(feed) = &mut self.feed
        {
            feed.head = feed.place(end);
        }
    }

    fn note_record(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.has_records = true;
        }
    }

    fn set_record(
        &mut self,
        env: &Env,
        name: &str,
        id: &str,
        slot: Slot,
        document: Option<&str>,
    ) -> Option<()> {
        self.note_record();
        self.frame_changes = true;
        let indexed = self.collections.get(name)?.indexes.is_some();
        let old = if indexed { self.indexed_document(env, name, id) } else { Ok(None) };
        let collection = self.collections.get_mut(name)?;
        if let Some(indexes) = &mut collection.indexes {
            let new = document.map(Document::read).transpose();
            match (old, new) {
                (Ok(old), Ok(new)) => indexes.replace(id, old.as_ref(), new.as_ref()),
                // They are built anew when a query next needs them.
                _ => collection.indexes = None,
            }
        }
        let old = collection.table.get(id);
        collection.dirty |= old.is_some_and(|old| old.is_live()) || slot.is_live();
        if let (Some(history), Some(old)) = (&mut collection.history, old) {
            history.replaced(id, old, collection.table.digest(id));
        }
        collection.table.set(id, slot);
        Some(())
    }

    fn indexed_document(&self, env: &Env, name: &str, id: &str) -> Result<Option<Document>> {
        let Some(collection) = self.collections.get(name) else { return Ok(None) };
        let Some(slot) = collection.table.get(id).filter(Slot::is_live) else { return Ok(None) };
        self.documents(env, collection).read(&slot).map(Some)
    }
}
