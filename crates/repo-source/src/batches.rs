//! Batches of the records of one collection, in the order in which they stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use repo_core::strategy::{ReadFrom, RecordBatch};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Result};

use crate::index::Index;
use crate::loaded::Loaded;
use crate::open_file::OpenFile;
use crate::read::Reading;

/// Bytes of documents at which a batch ends.
const BATCH_BYTES: usize = 2 * 1_024 * 1_024;

/// Where a read of a collection stands.
#[derive(Debug)]
pub(crate) struct Batches {
    loaded: Arc<Loaded>,
    collection: CollectionName,
    next: u32,
    before: u32,
    most: usize,
    /// Whether what cannot be read is still to be named.
    names_unreadable: bool,
}

impl Batches {
    /// `None` when the collection is not there.
    ///
    /// # Errors
    /// `Invalid` for an id to begin behind that is not there.
    pub(crate) fn new(
        loaded: Arc<Loaded>,
        collection: &CollectionName,
        from: ReadFrom,
    ) -> Option<Result<Self>> {
        let index = loaded.collections.get(collection)?;
        let (first, before) = part_of(index, &from);
        let next = match &from.after {
            None => first,
            Some(id) => match index.find(id.as_str()) {
                Some(number) => number.saturating_add(1).max(first),
                None => return Some(Err(not_there(collection, id))),
            },
        };
        let names_unreadable =
            from.on_unreadable.continues() && from.segment.index() == 0 && from.after.is_none();
        let (collection, most) = (collection.clone(), from.most.max(1));
        Some(Ok(Self { loaded, collection, next, before, most, names_unreadable }))
    }

    /// The next batch, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// `Unavailable` when a file is not what was read any more.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        let loaded = Arc::clone(&self.loaded);
        let Some(index) = loaded.collections.get(&self.collection) else { return Ok(None) };
        let mut batch = RecordBatch::default();
        if std::mem::take(&mut self.names_unreadable) {
            batch.unreadable = index.set_aside.all(&self.collection);
        } else if self.next >= self.before {
            return Ok(None);
        }
        self.read(&loaded, index, &mut batch)?;
        Ok(Some(batch))
    }

    fn read(&mut self, loaded: &Loaded, index: &Index, batch: &mut RecordBatch) -> Result<()> {
        let (numbers, next) = index.some(self.next, self.before, self.most);
        let files: BTreeSet<u16> =
            numbers.iter().filter_map(|n| index.place(*n)).map(|place| place.file).collect();
        for file in files {
            loaded.files.get(usize::from(file)).map_or(Ok(()), OpenFile::check_unchanged)?;
        }
        self.next = next;
        let mut reading = Reading::new(loaded);
        let mut bytes = 0;
        for number in numbers {
            let Some(record) = reading.record(&self.collection, index, number)? else { continue };
            bytes += record.document().map_or(0, |document| document.as_str().len());
            batch.records.push(record);
            if bytes >= BATCH_BYTES {
                self.next = number.saturating_add(1);
                break;
            }
        }
        Ok(())
    }
}

/// The numbers of the entities of a segment: from the first up to the second.
fn part_of(index: &Index, from: &ReadFrom) -> (u32, u32) {
    let all = index.found() as u64;
    let total = from.segment.total() as u64;
    let at = |segment: u64| u32::try_from(all * segment / total.max(1)).unwrap_or(u32::MAX);
    let segment = from.segment.index() as u64;
    (at(segment), at(segment + 1))
}

fn not_there(collection: &CollectionName, id: &EntityId) -> Error {
    let why = "the cursor names an entity that is not there";
    Error::new(ErrorKind::Invalid, "query", why)
        .with("collection", collection)
        .with("id", id)
        .hint("ask for the first page again")
}
