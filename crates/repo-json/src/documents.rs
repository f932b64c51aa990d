//! Reading documents from the places that the tables name.
//!
//! What stands there was written by this store, or read by it before. If it is
//! something else, and the file has its size and time, then the disk has
//! changed it, or a program that covered its tracks: that is damage,
//! and [`data_file::not_as_stored`] distinguishes it from an edit.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::{Document, Error, Result};

use crate::data_file::{self, DataFile};
use crate::errors;
use crate::snapshot::short_digest;
use crate::sweep::Sweep;
use crate::table::{NO_DIGEST, Place, ShortDigest, Slot};

/// Documents at most this far apart are read together, in bytes.
const GAP: u64 = 4 * 1_024;
/// Most bytes that are read together.
const RUN: u64 = 512 * 1_024;

/// The open files in which one collection's documents are. They stay readable
/// when a checkpoint puts others in their place.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    data: Option<DataFile>,
    journal: Option<(Arc<File>, PathBuf)>,
}

impl Documents {
    pub(crate) fn new(data: Option<&DataFile>, journal: Option<(Arc<File>, PathBuf)>) -> Self {
        Self { data: data.cloned(), journal }
    }

    /// The data file among them.
    pub(crate) fn data(&self) -> Option<&DataFile> {
        self.data.as_ref()
    }

    /// The document of a live record.
    ///
    /// # Errors
    /// `Corrupt` when something else stands there; `Unavailable` when that is
    /// since the file is just being rewritten.
    pub(crate) fn read(&self, slot: &Slot) -> Result<Document> {
        let mut bytes = vec![0; slot.len as usize];
        self.read_at(slot.place, &mut bytes, slot.offset)?;
        self.parse(&bytes, slot)
    }

    /// The same, if it is the one that was stored.
    pub(crate) fn read_sound(&self, slot: &Slot, stored: ShortDigest) -> Result<Document> {
        let document = self.read(slot)?;
        self.check(&document, slot, stored)?;
        Ok(document)
    }

    /// Whether documents share blocks that are read whole or not at all.
    pub(crate) fn are_packed(&self) -> bool {
        self.data.as_ref().is_some_and(|data| !data.text.is_the_file())
    }

    /// The documents of live records, in their order. Those that stand next to
    /// each other in a file are read together.
    pub(crate) fn read_all(&self, slots: &[Slot]) -> Result<Vec<Document>> {
        let mut documents: Vec<Option<Document>> = vec![None; slots.len()];
        self.read_each(slots, None, |at, text| {
            documents[at] = Some(self.parse(text, &slots[at])?);
            Ok(())
        })?;
        Ok(documents.into_iter().flatten().collect())
    }

    /// Hands over the text of each of the records, in the order of the files.
    /// With a sweep everything that stands between them is read as well.
    pub(crate) fn read_each(
        &self,
        slots: &[Slot],
        mut sweep: Option<&mut Sweep>,
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..slots.len()).collect();
        order.sort_by_key(|&at| (slots[at].place == Place::Journal, slots[at].offset));
        let mut buffer = Vec::new();
        let mut rest = order.as_slice();
        while let Some(&first) = rest.first() {
            let (len, bytes) = run(slots, rest);
            let place = slots[first].place;
            let end = slots[first].offset.saturating_add(bytes);
            let mut sweep = sweep.as_deref_mut().filter(|_| place == Place::Data);
            let start = match &mut sweep {
                Some(sweep) => sweep.start_of(slots[first].offset)?,
                None => slots[first].offset,
            };
            buffer.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(0), 0);
            self.read_at(place, &mut buffer, start)?;
            if let Some(sweep) = sweep {
                sweep.add(start, &buffer);
            }
            for &at in &rest[..len] {
                let from = usize::try_from(slots[at].offset - start).unwrap_or(0);
                let text = buffer.get(from..from + slots[at].len as usize).unwrap_or_default();
                each(at, text)?;
            }
            rest = &rest[len..];
        }
        Ok(())
    }

    /// The document that the text of a record is.
    pub(crate) fn parse(&self, bytes: &[u8], slot: &Slot) -> Result<Document> {
        let misplaced = || self.misplaced(slot);
        let text = std::str::from_utf8(bytes).map_err(|_| misplaced())?;
        Document::read(text).map_err(|error| {
            misplaced().with("in the document, byte", error.offset).with("rule", error.rule)
        })
    }

    /// Refuses a document that is not the one that was stored.
    pub(crate) fn check(
        &self,
        document: &Document,
        slot: &Slot,
        stored: ShortDigest,
    ) -> Result<()> {
        let same = stored == NO_DIGEST || short_digest(document) == stored;
        if same { Ok(()) } else { Err(self.misplaced(slot)) }
    }

    /// The error for a document that is not the one that was stored there.
    pub(crate) fn misplaced(&self, slot: &Slot) -> Error {
        match (slot.place, &self.data) {
            (Place::Data, Some(data)) => data_file::not_as_stored(data, slot.offset),
            _ => match &self.journal {
                Some((_, path)) => changed(path, slot.offset),
                None => lost(),
            },
        }
    }

    fn read_at(&self, place: Place, bytes: &mut [u8], offset: u64) -> Result<()> {
        let (read, path) = match (place, &self.data, &self.journal) {
            (Place::Data, Some(data), _) => (data.text.read_exact_at(bytes, offset), &data.path),
            (Place::Data, None, _) | (_, _, None) => return Err(lost()),
            (_, _, Some((file, path))) => (file.read_exact_at(bytes, offset), path),
        };
        read.map_err(|e| match (e.kind(), &self.data) {
            // A block that cannot be unpacked, or a file that ends too early.
            (ErrorKind::UnexpectedEof | ErrorKind::InvalidData, Some(data))
                if place == Place::Data =>
            {
                data_file::not_as_stored(data, offset)
            }
            (ErrorKind::UnexpectedEof, _) => changed(path, offset),
            _ => errors::io("read a document", path, e),
        })
    }
}

/// How many of the ordered slots are read together, and how many bytes.
fn run(slots: &[Slot], order: &[usize]) -> (usize, u64) {
    let Some(first) = order.first().map(|&at| slots[at]) else { return (0, 0) };
    let mut end = first.offset + u64::from(first.len);
    let mut len = 1;
    for &at in &order[1..] {
        let next = slots[at];
        let next_end = next.offset + u64::from(next.len);
        let near =
            next.place == first.place && next.offset <= end + GAP && next_end - first.offset <= RUN;
        if !near {
            break;
        }
        end = end.max(next_end);
        len += 1;
    }
    (len, end - first.offset)
}

/// The error for a document whose file is not there.
fn lost() -> Error {
    changed(Path::new("the store's files"), 0)
}

/// The error for a document that is not where it was written.
fn changed(path: &Path, byte: u64) -> Error {
    errors::corrupt("read a document", path, byte, "the document is not where it was written")
        .hint("something changed the file in place while the store was open: open it again")
}
