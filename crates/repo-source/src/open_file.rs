//! A file of another program, open, and whether it is still what was read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use plain_json::{Signature, errors};
use repo_core::{Result, Timestamp};

use crate::folder::Named;

/// Bytes that are read at once where entities follow one another.
const CHUNK: usize = 256 * 1_024;

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// Its name within the folder.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) signature: Signature,
    /// When it was last written: no entity says when it was.
    pub(crate) time: Timestamp,
}

impl OpenFile {
    pub(crate) fn open(named: Named) -> Result<Self> {
        let Named { name, path } = named;
        let file = File::open(&path)
            .map_err(|error| errors::io("open a file of another program", &path, error))?;
        let signature = Signature::of_file(&file, &path)?;
        let time = Timestamp::from_micros(signature.mtime_micros())?;
        Ok(Self { name, path, file, signature, time })
    }

    /// Refuses to go on with a file that is another one now, or has another content.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        match Signature::of_path(&self.path)? {
            Some(now) if now == self.signature => Ok(()),
            _ => Err(errors::busy(&self.path)),
        }
    }
}

/// Bytes of one file, read ahead: entities are mostly asked for in their order.
#[derive(Debug, Default)]
pub(crate) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `len` bytes from `offset`.
    ///
    /// # Errors
    /// `Unavailable` when the file ends before: it was rewritten.
    pub(crate) fn bytes(&mut self, file: &OpenFile, offset: u64, len: usize) -> Result<&[u8]> {
        if !self.has(offset, len) {
            self.fill(file, offset, len.max(CHUNK))?;
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let found = from.checked_add(len).and_then(|end| self.bytes.get(from..end));
        found.ok_or_else(|| errors::busy(&file.path))
    }

    fn has(&self, offset: u64, len: usize) -> bool {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        offset >= self.start && offset.saturating_add(len as u64) <= end
    }

    fn fill(&mut self, file: &OpenFile, offset: u64, most: usize) -> Result<()> {
        self.start = offset;
        self.bytes.resize(most, 0);
        let mut read = 0;
        while let Some(rest) = self.bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.file.read_at(rest, offset.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errors::io("read a data file", &file.path, error)),
            }
        }
        self.bytes.truncate(read);
        Ok(())
    }
}
