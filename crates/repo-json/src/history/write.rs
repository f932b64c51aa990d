//! What a checkpoint writes of a history.
//!
//! What came since the last one goes into a new file, together with what is in the
//! newest files: those that are not more than twice as long as all newer ones, so
//! that each is longer than all newer ones together; and those that hold a version
//! that has to go. No file of before is changed, so up to the checkpoint's frame they
//! count, and the new one after it.
//!
//! A damaged file is left as it is, and so are those before it. What has to go from it
//! is then marked as forgotten in the new file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use repo_core::{CollectionName, Error, ErrorKind, Result};

use super::file::{Cursor, FileHead};
use super::files::{make_folder, name_of};
use super::kept::{History, HistoryHead, Recent, Was};
use super::line::{Content, Line};
use super::version_key::VersionKey;
use crate::codec::SummedWriter;
use crate::documents::Documents;
use crate::errors;
use crate::folder::{self, Folder};

const WRITE: &str = "write the history";
/// Bytes of a line beside its document, about.
const LINE: u64 = 150;
/// A file is merged that is at most this many times as long as all newer ones.
const RATIO: u64 = 2;

/// A collection whose history is written.
pub(crate) struct FilesOf<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) name: &'a CollectionName,
    pub(crate) documents: Documents,
    /// The checkpoint that is being written.
    pub(crate) generation: u64,
    /// Bytes that are written at once.
    pub(crate) buffer: usize,
}

/// Writes what came since the last checkpoint, and gives the files that count then.
pub(crate) fn write_files(history: &History, of: &FilesOf<'_>) -> Result<HistoryHead> {
    let mut files: Vec<FileHead> = history.files.iter().map(|file| file.head).collect();
    if !history.recent.is_empty() {
        make_folder(of.folder)?;
        let mut merge = Merge { history, of, from: first_merged(history)?, leaves_damage: false };
        let written = loop {
            match merge.run() {
                Ok(written) => break written,
                Err(Broken { file: Some(damaged), error }) => {
                    tracing::warn!(%error, "a damaged file of the history is left as it is");
                    merge.from = damaged + 1;
                    merge.leaves_damage = true;
                }
                Err(Broken { file: None, error }) => return Err(error),
            }
        };
        files.truncate(merge.from);
        files.extend(written);
        folder::sync_folder(&of.folder.history())?;
    }
    Ok(HistoryHead { name: of.name.clone(), kept: history.kept, files })
}

/// The oldest file that is merged; as many as there are for none.
fn first_merged(history: &History) -> Result<usize> {
    let mut newer: u64 = history.recent.values().map(estimate).sum();
    let mut first = history.files.len();
    for (at, file) in history.files.iter().enumerate().rev() {
        if file.head.len <= newer.saturating_mul(RATIO) {
            first = at;
        }
        newer = newer.saturating_add(file.head.len);
    }
    let clears: Vec<&VersionKey> =
        history.recent.iter().filter(|(_, recent)| recent.clears).map(|(key, _)| key).collect();
    for (at, file) in history.files.iter().enumerate().take(first) {
        for key in &clears {
            match file.lines_from(key).and_then(|mut lines| lines.next()) {
                Ok(Some(line)) if line.key == **key => return Ok(at),
                // Merging it shows what is to be done.
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(at),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }
    Ok(first)
}

fn estimate(recent: &Recent) -> u64 {
    let document = match recent.was {
        Was::Record(slot, _) => u64::from(slot.len),
        Was::Removed { .. } | Was::Forgotten => 0,
    };
    LINE + document
}

/// Why a merge ended early.
struct Broken {
    /// The file that is damaged, if that is why.
    file: Option<usize>,
    error: Error,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self { file: None, error }
    }
}

/// What goes into one new file.
struct Merge<'a> {
    history: &'a History,
    of: &'a FilesOf<'a>,
    /// The oldest file of those that are merged.
    from: usize,
    /// Whether a file that is damaged stays.
    leaves_damage: bool,
}

impl Merge<'_> {
    /// `None` when nothing is left to write.
    fn run(&self) -> std::result::Result<Option<FileHead>, Broken> {
        let path = self.of.folder.history().join(name_of(self.of.name, self.of.generation));
        let mut out = LinesWriter::new(&path, self.of.buffer)?;
        let mut sources = self.sources()?;
        while let Some((is_recent, line)) = next(&mut sources)? {
            if !(line.is_forgotten && self.is_nowhere_else(is_recent)) {
                out.write(&line)?;
            }
        }
        let head = out.finish(self.of.generation)?;
        if head.lines == 0 {
            folder::remove_if_there(&path)?;
            return Ok(None);
        }
        Ok(Some(head))
    }

    /// Whether no older file than those that are merged has a version that is
    /// forgotten.
    fn is_nowhere_else(&self, is_recent: bool) -> bool {
        self.from == 0 || (is_recent && !self.leaves_damage)
    }

    /// What is merged, the newest first.
    fn sources(&self) -> std::result::Result<Vec<Source<'_>>, Broken> {
        let recent = self.history.recent.iter();
        let documents = &self.of.documents;
        let recent = Lines::Recent(Box::new(recent.map(|(k, r)| line_of(documents, k, r.was))));
        let mut sources = vec![Source::new(None, recent)?];
        for (at, file) in self.history.files.iter().enumerate().skip(self.from).rev() {
            let lines = file.lines().map_err(|error| broken(Some(at), error))?;
            sources.push(Source::new(Some(at), Lines::File(lines))?);
        }
        Ok(sources)
    }
}

fn broken(file: Option<usize>, error: Error) -> Broken {
    Broken { file: file.filter(|_| error.kind() == ErrorKind::Corrupt), error }
}

/// The next line of all sources, and whether it is of none of the files. Of two of one
/// version the newer one counts.
fn next(sources: &mut [Source<'_>]) -> std::result::Result<Option<(bool, Line)>, Broken> {
    let keys = sources.iter().filter_map(|source| Some(&source.line.as_ref()?.key));
    let Some(key) = keys.min().cloned() else { return Ok(None) };
    let mut first = None;
    for source in sources {
        if let Some(line) = source.line.take_if(|line| line.key == key) {
            first.get_or_insert((source.file.is_none(), line));
            source.advance()?;
        }
    }
    Ok(first)
}

type RecentLines<'a> = Box<dyn Iterator<Item = Result<Line>> + 'a>;

enum Lines<'a> {
    Recent(RecentLines<'a>),
    File(Cursor<'a>),
}

/// Lines in their order, the next one at hand.
struct Source<'a> {
    /// `None` for what came since the last checkpoint.
    file: Option<usize>,
    lines: Lines<'a>,
    line: Option<Line>,
}

impl<'a> Source<'a> {
    fn new(file: Option<usize>, lines: Lines<'a>) -> std::result::Result<Self, Broken> {
        let mut source = Self { file, lines, line: None };
        source.advance()?;
        Ok(source)
    }

    fn advance(&mut self) -> std::result::Result<(), Broken> {
        let line = match &mut self.lines {
            Lines::Recent(lines) => lines.next().transpose(),
            Lines::File(lines) => lines.next(),
        };
        self.line = line.map_err(|error| broken(self.file, error))?;
        Ok(())
    }
}

fn line_of(documents: &Documents, key: &VersionKey, was: Was) -> Result<Line> {
    let document;
    let content = match was {
        Was::Forgotten if key.attributes => Content::Unattributed,
        Was::Record(slot, _) if key.attributes => {
            document = documents.read(&slot)?;
            Content::Attributed { by: document.as_str() }
        }
        Was::Forgotten => Content::Forgotten,
        Was::Removed { updated_at } => Content::Removed { updated_at },
        Was::Record(slot, _) if !slot.is_live() => Content::Deleted { updated_at: slot.updated_at },
        Was::Record(slot, digest) => {
            document = documents.read(&slot)?;
            documents.check(&document, &slot, digest)?;
            let (created_at, updated_at) = (slot.created_at, slot.updated_at);
            Content::Live { created_at, updated_at, document: document.as_str() }
        }
    };
    Line::new(key.clone(), content)
}

/// Writes a history file from front to back.
struct LinesWriter {
    out: SummedWriter<BufWriter<File>>,
    path: PathBuf,
    len: u64,
    lines: u64,
    longest: u64,
}

impl LinesWriter {
    fn new(path: &Path, buffer: usize) -> Result<Self> {
        let out = SummedWriter::new(BufWriter::with_capacity(buffer, folder::create(path)?));
        Ok(Self { out, path: path.to_owned(), len: 0, lines: 0, longest: 0 })
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let written = self.out.write_all(&line.text).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|e| errors::io(WRITE, &self.path, e))?;
        let bytes = line.text.len() as u64;
        self.len += bytes + 1;
        self.lines += 1;
        self.longest = self.longest.max(bytes);
        Ok(())
    }

    /// Syncs it, and gives what `.meta` says of it.
    fn finish(self, generation: u64) -> Result<FileHead> {
        let failed = |e| errors::io(WRITE, &self.path, e);
        let crc = self.out.crc();
        let file = self.out.into_inner().into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        let Self { len, lines, longest, .. } = self;
        Ok(FileHead { generation, len, lines, longest, crc })
    }
}
