//! Changes, made in memory by whoever reads a frame, a run or a checkpoint.

use std::sync::Arc;

use repo_core::strategy::{OpenOptions, SystemCollection};
use repo_core::{CollectionName, EntityId};

use super::{Base, State};
use crate::format::{
    ByOp, ChangeOp, DeleteOp, Frame, Line, Manifest, NUMBERS, OlderOp, Op, Placed, PrepareOp,
    PutOp, Run, Text, WasOp,
};
use crate::hex::Hex16;
use crate::slot::{Place, Slot, Source};
use crate::table::{Older, Table, Was};

/// Where the lines that are applied stand.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// In a frame of the log.
    Log(u64),
    /// In the index of a run.
    Run(Hex16),
}

/// A number of a change; `None` for one beyond all that there can be.
fn within(number: u64) -> Option<u64> {
    (number < NUMBERS).then_some(number)
}

impl State {
    /// Makes the changes of the frame that follows. One that is in the state already changes
    /// nothing. `None` when it makes no sense here.
    pub(crate) fn apply_frame(&mut self, options: &OpenOptions, frame: &Frame) -> Option<()> {
        if frame.number != self.position + 1 {
            return (frame.number <= self.position).then_some(());
        }
        if frame.after != self.commit {
            return None;
        }
        for placed in &frame.ops {
            self.apply(options, Origin::Log(frame.number), placed)?;
        }
        self.position = frame.number;
        self.commit = frame.commit;
        self.tail.push_back((frame.number, frame.len));
        Some(())
    }

    /// Makes the changes of a part of the index of a run, as far as they are not in the state
    /// yet, and takes the places of the documents of those that are. A part holds frames whole.
    /// `None` when it makes no sense here.
    pub(crate) fn apply_run(
        &mut self,
        options: &OpenOptions,
        run: &Run,
        lines: Vec<Line>,
    ) -> Option<()> {
        // A frame may have come into the state while the part was read.
        let mut is_new = run.whole && run.through > self.position;
        for line in lines {
            if let Op::Frame { number, commit } = line.op {
                is_new = number > self.position;
                if is_new {
                    (self.position, self.commit) = (number, commit);
                }
            } else if is_new {
                self.apply(options, Origin::Run(run.id), &Placed { op: line.op, at: None })?;
            } else {
                self.repoint(run.id, &line.op)?;
            }
        }
        Some(())
    }

    /// Ends a run that was taken in whole.
    pub(crate) fn end_run(&mut self, run: &Run) {
        if run.through > self.position {
            (self.position, self.commit) = (run.through, run.commit);
        }
    }

    /// Takes a checkpoint for the newest one, once its runs are in the state.
    pub(crate) fn rebase(&mut self, number: u64, manifest: Arc<Manifest>) {
        while self.tail.front().is_some_and(|(frame, _)| *frame <= manifest.through) {
            self.tail.pop_front();
        }
        while self.recent.front().is_some_and(|change| change.number <= manifest.changes) {
            self.recent.pop_front();
        }
        self.base = Base { number, manifest };
        self.sought = self.position;
    }

    fn place(&mut self, origin: Origin, text: &Text, at: Option<u32>) -> Option<Place> {
        let (source, offset) = match (origin, text.at, at) {
            (Origin::Log(number), None, Some(offset)) => (Source::log(number)?, offset),
            (Origin::Run(run), Some((part, offset)), None) => {
                (self.parts.source(run, part)?, offset)
            }
            _ => return None,
        };
        Some(Place { source, offset, len: text.len, digest: text.digest })
    }

    fn table_mut(&mut self, name: &CollectionName) -> Option<&mut Table> {
        self.tables.get_mut(name).map(Arc::make_mut)
    }

    fn apply(&mut self, options: &OpenOptions, origin: Origin, placed: &Placed) -> Option<()> {
        let op = &placed.op;
        if let Some(change) = op.change() {
            self.note(change)?;
        }
        if let Some(name) = op.collection()
            && !options.selects(name.as_str())
        {
            if matches!(op, Op::Prepare(_)) {
                self.left_out.insert(name.clone());
            }
            return Some(());
        }
        match op {
            Op::Put(put) => self.put(origin, put, placed.at),
            Op::Delete(delete) => self.delete(delete),
            Op::Older(older) => self.older(origin, older, placed.at),
            op if op.collection().is_some() => self.apply_to_collection(op),
            op => self.apply_to_store(op),
        }
    }

    /// Notes a change for the feed. A whole state holds none.
    fn note(&mut self, change: ChangeOp) -> Option<()> {
        self.head = self.head.max(within(change.number)?);
        self.recent.push_back(change);
        Some(())
    }

    fn put(&mut self, origin: Origin, put: &PutOp, at: Option<u32>) -> Option<()> {
        let place = self.place(origin, &put.text, at)?;
        let PutOp { version, created_at, updated_at, .. } = *put;
        let slot = Slot { version, created_at, updated_at, place: Some(place) };
        self.set(&put.collection, &put.id, slot)
    }

    fn delete(&mut self, delete: &DeleteOp) -> Option<()> {
        let DeleteOp { version, deleted_at, .. } = *delete;
        let slot = Slot { version, created_at: deleted_at, updated_at: deleted_at, place: None };
        self.set(&delete.collection, &delete.id, slot)
    }

    fn set(&mut self, name: &CollectionName, id: &EntityId, slot: Slot) -> Option<()> {
        self.table_mut(name)?.set(id.clone(), slot);
        Some(())
    }

    fn older(&mut self, origin: Origin, op: &OlderOp, at: Option<u32>) -> Option<()> {
        let was = match op.was {
            WasOp::Live { created_at, text } => {
                Some(Was::Live { created_at, place: self.place(origin, &text, at)? })
            }
            WasOp::Deleted => Some(Was::Deleted),
            WasOp::Removed => Some(Was::Removed),
            WasOp::Forgotten => None,
        };
        let known = was.map(|was| Older { updated_at: op.updated_at, was });
        self.table_mut(&op.collection)?.set_older(&op.id, op.version, known)
    }

    fn apply_to_collection(&mut self, op: &Op) -> Option<()> {
        match op {
            Op::Prepare(PrepareOp { collection, schema_version, id_field, shape }) => {
                let new = || Arc::new(Table::new(*schema_version, id_field.clone(), *shape));
                let table = self.tables.entry(collection.clone()).or_insert_with(new);
                let table = Arc::make_mut(table);
                table.schema_version = *schema_version;
                table.id_field.clone_from(id_field);
                table.shape = *shape;
            }
            Op::Floor { collection, floor } => {
                let table = self.table_mut(collection)?;
                table.floor = table.floor.max(*floor);
            }
            Op::Purge { collection, older_than } => {
                self.table_mut(collection)?.purge(*older_than);
            }
            Op::History { collection, history } => {
                self.table_mut(collection)?.keep_history(*history);
            }
            Op::By(ByOp { collection, id, version, by }) => {
                self.table_mut(collection)?.set_by(id, *version, by.clone())?;
            }
            _ => return None,
        }
        Some(())
    }

    /// A change of what the store keeps of itself.
    fn apply_to_store(&mut self, op: &Op) -> Option<()> {
        match op {
            Op::Id(id) => self.id = Some(*id),
            Op::Role(role) => self.role = role.clone(),
            Op::Job(job) => self.job.clone_from(job),
            Op::Capture { capture, trimmed } => {
                self.capture = capture.clone();
                self.trimmed = within(*trimmed)?;
                self.head = self.head.max(*trimmed);
                while self.recent.front().is_some_and(|change| change.number <= *trimmed) {
                    self.recent.pop_front();
                }
            }
            Op::Changes { head } => self.head = within(*head)?,
            Op::Item { of, key, value } => {
                self.items.set(SystemCollection::named(of)?, key, value.as_deref());
            }
            Op::Nothing => {}
            _ => return None,
        }
        Some(())
    }

    /// Takes the place of a document in a run, if the state has that document.
    fn repoint(&mut self, run: Hex16, op: &Op) -> Option<()> {
        let (name, id, version) = match op {
            Op::Put(put) => (&put.collection, &put.id, put.version),
            Op::Older(older) => (&older.collection, &older.id, older.version),
            _ => return Some(()),
        };
        let Some(text) = op.text() else { return Some(()) };
        let place = self.place(Origin::Run(run), text, None)?;
        if let Some(table) = self.table_mut(name) {
            table.repoint(id, version, place);
        }
        Some(())
    }
}
