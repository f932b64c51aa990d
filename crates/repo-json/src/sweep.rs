//! Comparing a whole data file with its digest while its documents are read,
//! so that nothing is read twice: between the documents stand keys, brackets
//! and space, and a file that was damaged there is damaged, too.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use plain_json::Signature;
use repo_core::{CollectionName, Result};

use crate::data_file::{self, DataFile};
use crate::errors;
use crate::snapshot::FileDigest;

/// Bytes read at once where no document is wanted.
const CHUNK: u64 = 256 * 1_024;
/// What is skipped up to this many bytes is read with the next document.
const NEAR: u64 = 64 * 1_024;

/// A reading of a data file from front to back.
pub(crate) struct Sweep {
    data: DataFile,
    digest: blake3::Hasher,
    /// How far the file is digested, in bytes.
    at: u64,
}

impl Sweep {
    pub(crate) fn new(data: &DataFile) -> Self {
        Self { data: data.clone(), digest: blake3::Hasher::new(), at: 0 }
    }

    /// The file that is read.
    pub(crate) fn data(&self) -> &DataFile {
        &self.data
    }

    /// Whether it is a reading of this file.
    pub(crate) fn is_of(&self, file: &Arc<File>) -> bool {
        Arc::ptr_eq(&self.data.file, file)
    }

    /// From where to read, so that a document at `offset` is in it and nothing
    /// before it is left out.
    ///
    /// A compressed file is compared by itself in the end: its documents are no part of
    /// its bytes.
    pub(crate) fn start_of(&mut self, offset: u64) -> Result<u64> {
        if !self.data.text.is_the_file() {
            return Ok(offset);
        }
        if self.at.saturating_add(NEAR) < offset {
            self.read_to(offset)?;
        }
        Ok(self.at.min(offset))
    }

    /// Takes bytes that were read from `start` on.
    pub(crate) fn add(&mut self, start: u64, bytes: &[u8]) {
        if !self.data.text.is_the_file() {
            return;
        }
        let known = usize::try_from(self.at.saturating_sub(start)).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.digest.update(new);
            self.at += new.len() as u64;
        }
    }

    /// Reads the rest of the file and compares.
    ///
    /// # Errors
    /// `Corrupt` for another digest than the file was stored with.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.read_to(self.data.signature.len)?;
        let found: FileDigest = *self.digest.finalize().as_bytes();
        if found == self.data.digest {
            Ok(())
        } else {
            Err(data_file::not_as_stored(&self.data, 0))
        }
    }

    fn read_to(&mut self, end: u64) -> Result<()> {
        let mut buffer = Vec::new();
        while self.at < end {
            let len = (end - self.at).min(CHUNK);
            buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            self.data.file.read_exact_at(&mut buffer, self.at).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => data_file::not_as_stored(&self.data, self.at),
                _ => errors::io("read a data file", &self.data.path, e),
            })?;
            self.digest.update(&buffer);
            self.at += len;
        }
        Ok(())
    }
}

/// Which data files this handle has compared. In a file of several collections
/// the first one that is scanned compares it, and the others rely on that, once
/// each.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    /// Of each file, as it was then: how often.
    done: BTreeMap<PathBuf, (Signature, u64)>,
    /// Up to which of these a collection relied on them.
    used: BTreeMap<CollectionName, u64>,
}

impl Sweeps {
    /// Whether a scan of a collection has to compare the file it stands in.
    pub(crate) fn is_due(&mut self, name: &CollectionName, data: &DataFile) -> bool {
        let (signature, done) = match self.done.get(&data.path) {
            Some((signature, done)) => (Some(*signature), *done),
            None => (None, 0),
        };
        let used = self.used.insert(name.clone(), done).unwrap_or(0);
        signature != Some(data.signature) || done <= used
    }

    /// Notes that the scan of a collection compared its file.
    pub(crate) fn done(&mut self, name: &CollectionName, data: &DataFile) {
        let entry = self.done.entry(data.path.clone()).or_insert((data.signature, 0));
        *entry = (data.signature, entry.1 + 1);
        self.used.insert(name.clone(), entry.1);
    }
}
