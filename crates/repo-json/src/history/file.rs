//! A history file: what is known of it, and how a version is found in it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use repo_core::strategy::OlderVersion;
use repo_core::{Attribution, CollectionName, Error, Result};

use super::files::name_of;
use super::line::Line;
use super::version_key::VersionKey;
use crate::errors;
use crate::folder::{self, Folder};
use crate::names::READ_HISTORY;

/// Bytes read at once where one line is wanted.
const SHORT: usize = 4 * 1_024;
/// Where all lines are.
const LONG: usize = 128 * 1_024;

/// What `.meta` says of a history file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHead {
    /// The checkpoint that wrote it.
    pub(crate) generation: u64,
    /// Bytes.
    pub(crate) len: u64,
    pub(crate) lines: u64,
    /// Bytes of the longest line.
    pub(crate) longest: u64,
    /// The CRC-32 of all bytes.
    pub(crate) crc: u32,
}

/// What stands in the place of a history file.
#[derive(Debug)]
enum Found {
    /// It, and open: it stays readable when a checkpoint removes it.
    Open(File),
    Nothing,
    /// A file of this many bytes.
    OtherLength(u64),
}

/// A history file that is never written again.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    pub(crate) head: FileHead,
    pub(crate) name: String,
    path: PathBuf,
    found: Found,
}

impl HistoryFile {
    pub(super) fn closed(collection: &CollectionName, head: FileHead) -> Self {
        let name = name_of(collection, head.generation);
        Self { head, name, path: PathBuf::new(), found: Found::Nothing }
    }

    pub(super) fn open(&self, folder: &Folder) -> Result<Self> {
        let path = folder.history().join(&self.name);
        let found = match folder::open_if_there(&path)? {
            None => Found::Nothing,
            Some(file) => {
                let len = file.metadata().map_err(|e| errors::io(READ_HISTORY, &path, e))?.len();
                if len == self.head.len { Found::Open(file) } else { Found::OtherLength(len) }
            }
        };
        Ok(Self { head: self.head, name: self.name.clone(), path, found })
    }

    /// Where it is, as far as it was opened.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    fn file(&self) -> Result<&File> {
        match &self.found {
            Found::Open(file) => Ok(file),
            Found::Nothing => Err(self.damaged(0, "a file of the history is missing")),
            Found::OtherLength(len) => {
                let why = "a file of the history is not as long as it was written";
                Err(self.damaged(*len, why).with("length", self.head.len))
            }
        }
    }

    pub(super) fn damaged(&self, byte: u64, why: &str) -> Error {
        errors::corrupt(READ_HISTORY, &self.path, byte, why).hint(
            "put the file back from a backup; or end the history of the collection and begin it \
             anew: the records themselves are not concerned",
        )
    }

    fn read_at(&self, file: &File, bytes: &mut [u8], at: u64) -> Result<()> {
        file.read_exact_at(bytes, at).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged_line(at),
            _ => errors::io(READ_HISTORY, &self.path, e),
        })
    }

    fn damaged_line(&self, byte: u64) -> Error {
        self.damaged(byte, "a line of the history is damaged")
    }

    /// All lines from the first one.
    pub(super) fn lines(&self) -> Result<Cursor<'_>> {
        Ok(Cursor::new(self, self.file()?, 0, LONG))
    }

    /// The lines from the first one that is not before `key`, which is found in as many
    /// steps as the length has bits.
    pub(super) fn lines_from(&self, key: &VersionKey) -> Result<Cursor<'_>> {
        let file = self.file()?;
        let (mut from, mut found) = (0, self.head.len);
        // No line begins from here up to what was found.
        let mut to = found;
        while from < to {
            let middle = from + (to - from) / 2;
            let start = if middle == from { from } else { self.line_start(file, middle, to)? };
            if start >= to {
                to = middle;
                continue;
            }
            let mut at = Cursor::new(self, file, start, SHORT);
            let line = at.next()?.ok_or_else(|| self.damaged_line(start))?;
            if line.key < *key {
                from = at.offset();
            } else {
                (found, to) = (start, start);
            }
        }
        Ok(Cursor::new(self, file, found, SHORT))
    }

    /// Where the first line begins that does so from `from` up to `to`; else `to`.
    fn line_start(&self, file: &File, from: u64, to: u64) -> Result<u64> {
        let mut at = from - 1;
        let mut buffer = [0; SHORT];
        while at < to - 1 {
            let want = usize::try_from(to - 1 - at).unwrap_or(SHORT).min(SHORT);
            let bytes = &mut buffer[..want];
            self.read_at(file, bytes, at)?;
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                return Ok(at + end as u64 + 1);
            }
            at += want as u64;
        }
        Ok(to)
    }
}

/// A reading of a history file, line by line.
pub(super) struct Cursor<'f> {
    of: &'f HistoryFile,
    file: &'f File,
    /// Bytes read at once.
    chunk: usize,
    /// Up to where the file was read.
    read: u64,
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    next: usize,
}

impl<'f> Cursor<'f> {
    fn new(of: &'f HistoryFile, file: &'f File, at: u64, chunk: usize) -> Self {
        Self { of, file, chunk, read: at, buffer: Vec::new(), next: 0 }
    }

    /// What a line of it tells; `None` for a version that is forgotten.
    pub(super) fn older(&self, line: &Line) -> Result<Option<OlderVersion>> {
        if line.is_forgotten {
            return Ok(None);
        }
        let unknown = || self.of.damaged(0, "a line of the history has another form");
        line.older().map(Some).ok_or_else(|| unknown().with("key", &line.key.id))
    }

    /// Who wrote the version of a line of it; `None` where that is forgotten.
    pub(super) fn attribution(&self, line: &Line) -> Result<Option<Attribution>> {
        if line.is_forgotten {
            return Ok(None);
        }
        let unknown = || self.of.damaged(0, "a line of the history has another form");
        line.attribution().map(Some).ok_or_else(|| unknown().with("key", &line.key.id))
    }

    /// Where the next line begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.read - (self.buffer.len() - self.next) as u64
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` for one whose checksum does not hold.
    pub(super) fn next(&mut self) -> Result<Option<Line>> {
        let mut searched = 0;
        loop {
            let pending = self.buffer.get(self.next..).unwrap_or_default();
            let unseen = pending.get(searched..).unwrap_or_default();
            if let Some(end) = unseen.iter().position(|byte| *byte == b'\n') {
                let (begin, len) = (self.offset(), searched + end);
                let text = pending.get(..len).unwrap_or_default().to_vec();
                self.next += len + 1;
                let damaged = || self.of.damaged_line(begin);
                return Line::parse(text).map(Some).ok_or_else(damaged);
            }
            searched = pending.len();
            let is_at_end = self.read == self.of.head.len;
            if is_at_end && searched == 0 {
                return Ok(None);
            }
            if is_at_end || searched as u64 > self.of.head.longest {
                return Err(self.of.damaged_line(self.offset()));
            }
            self.fill()?;
        }
    }

    /// Reads more behind what is left of the buffer.
    fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.next);
        self.next = 0;
        let left = usize::try_from(self.of.head.len - self.read).unwrap_or(usize::MAX);
        // What is longer than one chunk is read in fewer and fewer steps.
        let want = self.chunk.max(self.buffer.len()).min(left);
        let old = self.buffer.len();
        self.buffer.resize(old + want, 0);
        let more = self.buffer.get_mut(old..).unwrap_or_default();
        self.of.read_at(self.file, more, self.read)?;
        self.read += want as u64;
        Ok(())
    }
}
