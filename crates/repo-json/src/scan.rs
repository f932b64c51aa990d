//! Scans: all records of a collection, in batches, while the data file in
//! which they stand is compared with its digest.

use std::sync::Arc;

use repo_core::strategy::{OnUnreadable, Record, RecordBatch, ScanOptions, UnreadableRecord};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Key, Result};

use crate::chunk::Taken;
use crate::damage;
use crate::documents::Documents;
use crate::reader::about;
use crate::store::{Store, collection};
use crate::sweep::Sweep;
use crate::table::{ShortDigest, Slot};

/// A scan on its way.
pub(crate) struct Scan {
    pub(crate) store: Arc<Store>,
    pub(crate) name: CollectionName,
    options: ScanOptions,
    /// The id to resume after.
    after: Option<Box<str>>,
    sweep: Option<Sweep>,
}

/// What a batch is made of.
struct Part {
    taken: Vec<(Box<str>, Slot)>,
    digests: Vec<ShortDigest>,
    documents: Documents,
    unreadable: Vec<UnreadableRecord>,
    last: Option<Box<str>>,
}

impl Scan {
    pub(crate) fn new(store: Arc<Store>, name: CollectionName, options: ScanOptions) -> Self {
        Self { store, name, options, after: None, sweep: None }
    }

    fn sets_aside(&self) -> bool {
        self.store.env.options.on_unreadable() == OnUnreadable::SetAside
    }

    /// The next batch; whether there are more.
    pub(crate) fn next(&mut self) -> Result<(RecordBatch, bool)> {
        let mut part = self.take()?;
        self.begin_sweep(&part.documents);
        let records =
            if self.sets_aside() { self.read_checked(&mut part)? } else { self.read(&part)? };
        let mut batch = RecordBatch::from(records);
        batch.unreadable = part.unreadable;
        self.after = part.last;
        if self.after.is_none() {
            self.finish_sweep()?;
        }
        Ok((batch, self.after.is_some()))
    }

    fn take(&self) -> Result<Part> {
        let state = self.store.state();
        let found = collection(&self.store.env, &state, "scan", &self.name)?;
        let segment = self.options.segment;
        let mut taken = Taken::new(self.options.batch_size.get());
        let mut digests = Vec::new();
        let mut last = None;
        for (id, slot, digest) in found.table.after(self.after.as_deref()) {
            let inside = segment.total() == 1 || segment.contains(&EntityId::new(id)?);
            if inside {
                digests.push(digest);
                if !taken.add(id, slot) {
                    last = Some(id.into());
                    break;
                }
            }
        }
        let unreadable = match last {
            None if segment.index() == 0 => found.table.set_aside.all(&self.name),
            _ => Vec::new(),
        };
        Ok(Part {
            taken: taken.slots,
            digests,
            documents: state.documents(&self.store.env, found),
            unreadable,
            last,
        })
    }

    /// The first of the segments compares the file, for all of them.
    fn begin_sweep(&mut self, documents: &Documents) {
        let Some(data) = documents.data().filter(|_| self.options.segment.index() == 0) else {
            return;
        };
        let begins = self.after.is_none() && self.store.sweeps().is_due(&self.name, data);
        // A checkpoint may have put another file in the place.
        let replaced = self.sweep.as_ref().is_some_and(|sweep| !sweep.is_of(&data.file));
        if begins || replaced {
            self.sweep = Some(Sweep::new(data));
        }
    }

    /// # Errors
    /// `Corrupt` when the file is not as it was stored, though every record of
    /// it that was read could be; it names those that are damaged.
    fn finish_sweep(&mut self) -> Result<()> {
        let Some(sweep) = self.sweep.take() else { return Ok(()) };
        let data = sweep.data().clone();
        match sweep.finish() {
            Ok(()) => self.store.sweeps().done(&self.name, &data),
            Err(error) => {
                let (env, state) = (&self.store.env, self.store.state());
                // Damaged records are set aside where their collection is read,
                // and each of the others was compared by itself.
                let reported =
                    self.sets_aside() && !damage::damaged_records(env, &state, &data).is_empty();
                if !reported {
                    return Err(damage::located(error, env, &state, &data));
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, part: &Part) -> Result<Vec<Record>> {
        let live: Vec<&(Box<str>, Slot)> =
            part.taken.iter().filter(|(_, slot)| slot.is_live()).collect();
        let slots: Vec<Slot> = live.iter().map(|(_, slot)| *slot).collect();
        let mut read = vec![None; slots.len()];
        part.documents.read_each(&slots, self.sweep.as_mut(), |at, text| {
            let document = part.documents.parse(text, &slots[at]);
            read[at] = Some(document.map_err(|error| match live.get(at) {
                Some((id, _)) => error.with("collection", &self.name).with("key", id),
                None => error,
            })?);
            Ok(())
        })?;
        let mut read = read.into_iter();
        let record = |(id, slot): &(Box<str>, Slot)| {
            let key = Key::new(self.name.clone(), EntityId::new(id)?);
            let document = if slot.is_live() { read.next().flatten() } else { None };
            crate::batch::record_of(&key, slot, document)
        };
        part.taken.iter().map(record).collect()
    }

    /// The same, where each record that is not what was stored is set aside.
    fn read_checked(&mut self, part: &mut Part) -> Result<Vec<Record>> {
        let slots: Vec<Slot> = part.taken.iter().map(|(_, slot)| *slot).collect();
        let live: Vec<usize> = (0..slots.len()).filter(|&at| slots[at].is_live()).collect();
        let places: Vec<Slot> = live.iter().map(|&at| slots[at]).collect();
        let mut read: Vec<Option<repo_core::Document>> = vec![None; slots.len()];
        let mut bad: Vec<(usize, UnreadableRecord)> = Vec::new();
        if part.documents.are_packed() {
            // What stands in a block with a damaged record is read by itself, too.
            for at in live {
                match part.documents.read_sound(&slots[at], part.digests[at]) {
                    Ok(document) => read[at] = Some(document),
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        bad.push((at, self.unreadable(error, &part.taken[at].0, None)));
                    }
                    Err(error) => return Err(error),
                }
            }
            return self.records(part, read, bad);
        }
        let mut sweep = self.sweep.take();
        part.documents.read_each(&places, sweep.as_mut(), |found, text| {
            let at = live[found];
            let sound = part.documents.parse(text, &slots[at]).and_then(|document| {
                part.documents.check(&document, &slots[at], part.digests[at])?;
                Ok(document)
            });
            match sound {
                Ok(document) => read[at] = Some(document),
                Err(error) => bad.push((at, self.unreadable(error, &part.taken[at].0, Some(text)))),
            }
            Ok(())
        })?;
        self.sweep = sweep;
        self.records(part, read, bad)
    }

    /// What was read, and what is set aside.
    fn records(
        &self,
        part: &mut Part,
        mut read: Vec<Option<repo_core::Document>>,
        mut bad: Vec<(usize, UnreadableRecord)>,
    ) -> Result<Vec<Record>> {
        bad.sort_by_key(|(at, _)| *at);
        let is_bad = |at: usize| bad.binary_search_by_key(&at, |(at, _)| *at).is_ok();
        let mut records = Vec::with_capacity(part.taken.len());
        for (at, (id, slot)) in part.taken.iter().enumerate().filter(|(at, _)| !is_bad(*at)) {
            let key = Key::new(self.name.clone(), EntityId::new(id)?);
            records.push(crate::batch::record_of(&key, slot, read[at].take())?);
        }
        part.unreadable.extend(bad.into_iter().map(|(_, record)| record));
        Ok(records)
    }

    fn unreadable(&self, error: Error, id: &str, text: Option<&[u8]>) -> UnreadableRecord {
        let error = match EntityId::new(id) {
            Ok(id) => about(error, &self.name, &id),
            Err(_) => error,
        };
        UnreadableRecord::new(self.name.clone(), id, text.map(<[u8]>::to_vec), error)
    }
}
