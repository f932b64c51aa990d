//! Reading documents from the places that the tables name.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::{Document, Error, ErrorKind, Result};

use crate::errors;
use crate::folder::Signature;
use crate::table::{Place, Slot};

/// Documents at most this far apart are read together, in bytes.
const GAP: u64 = 4 * 1_024;
/// Most bytes that are read together.
const RUN: u64 = 512 * 1_024;

/// The open files in which one collection's documents are. They stay readable
/// when a checkpoint puts others in their place.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    data: Option<(Arc<File>, PathBuf, Signature)>,
    journal: Option<(Arc<File>, PathBuf)>,
}

impl Documents {
    pub(crate) fn new(
        data: Option<(Arc<File>, PathBuf, Signature)>,
        journal: Option<(Arc<File>, PathBuf)>,
    ) -> Self {
        Self { data, journal }
    }

    /// The document of a live record.
    ///
    /// # Errors
    /// `Corrupt` when something else stands there; `Unavailable` when that is
    /// since the file is just being rewritten.
    pub(crate) fn read(&self, slot: &Slot) -> Result<Document> {
        self.read_one(slot).map_err(|error| self.named(error))
    }

    fn read_one(&self, slot: &Slot) -> Result<Document> {
        let (file, path) = self.file_of(slot.place)?;
        let mut bytes = vec![0; slot.len as usize];
        read_at(file, path, &mut bytes, slot.offset)?;
        parse(&bytes, path, slot.offset)
    }

    /// The documents of live records, in their order. Those that stand next to
    /// each other in a file are read together.
    ///
    /// # Errors
    /// As for one.
    pub(crate) fn read_all(&self, slots: &[Slot]) -> Result<Vec<Document>> {
        self.read_runs(slots).map_err(|error| self.named(error))
    }

    fn read_runs(&self, slots: &[Slot]) -> Result<Vec<Document>> {
        let mut order: Vec<usize> = (0..slots.len()).collect();
        order.sort_by_key(|&at| (slots[at].place == Place::Journal, slots[at].offset));
        let mut documents: Vec<Option<Document>> = vec![None; slots.len()];
        let mut buffer = Vec::new();
        let mut rest = order.as_slice();
        while let Some(&first) = rest.first() {
            let start = slots[first].offset;
            let (len, bytes) = run(slots, rest);
            let (file, path) = self.file_of(slots[first].place)?;
            buffer.resize(usize::try_from(bytes).unwrap_or(0), 0);
            read_at(file, path, &mut buffer, start)?;
            for &at in &rest[..len] {
                let from = usize::try_from(slots[at].offset - start).unwrap_or(0);
                let text = buffer.get(from..from + slots[at].len as usize).unwrap_or_default();
                documents[at] = Some(parse(text, path, slots[at].offset)?);
            }
            rest = &rest[len..];
        }
        Ok(documents.into_iter().flatten().collect())
    }

    /// The error for a document that is another entity's.
    pub(crate) fn misplaced(&self, slot: &Slot) -> Error {
        match self.file_of(slot.place) {
            Ok((_, path)) => self.named(changed(path, slot.offset)),
            Err(error) => error,
        }
    }

    /// What is not where it was written is no damage while another program
    /// rewrites the data file in place.
    fn named(&self, error: Error) -> Error {
        let Some((file, path, known)) = &self.data else { return error };
        let is_rewritten = error.kind() == ErrorKind::Corrupt
            && Signature::of_file(file, path).is_ok_and(|now| {
                (now.len, now.mtime_secs, now.mtime_nanos)
                    != (known.len, known.mtime_secs, known.mtime_nanos)
            });
        if is_rewritten { errors::busy(path) } else { error }
    }

    fn file_of(&self, place: Place) -> Result<(&File, &Path)> {
        let file: Option<(&File, &Path)> = match place {
            Place::Data => self.data.as_ref().map(|(file, path, _)| (&**file, path.as_path())),
            _ => self.journal.as_ref().map(|(file, path)| (&**file, path.as_path())),
        };
        file.ok_or_else(|| changed(Path::new("the store's files"), 0))
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

fn read_at(file: &File, path: &Path, bytes: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => changed(path, offset),
        _ => errors::io("read a document", path, e),
    })
}

/// Reads a document out of bytes of a file of the store.
fn parse(bytes: &[u8], path: &Path, offset: u64) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|_| changed(path, offset))?;
    Document::read(text).map_err(|error| {
        changed(path, offset.saturating_add(error.offset as u64)).with("rule", error.rule)
    })
}

/// The error for a document that is not where it was written.
fn changed(path: &Path, byte: u64) -> Error {
    errors::corrupt("read a document", path, byte, "the document is not where it was written")
        .hint("something changed the file in place while the store was open: open it again")
}
