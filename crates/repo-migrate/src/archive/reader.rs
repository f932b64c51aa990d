//! Reading a file of an archive: decompressed on a thread of its own, in
//! chunks of whole lines, hashed on the way.

use std::io::{BufRead, BufReader, Read as _};
use std::num::NonZeroUsize;
use std::path::Path;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use repo_core::strategy::{Record, SystemCollection, SystemItem};
use repo_core::{CollectionSchema, Error, ErrorKind, Result};

#[cfg(feature = "blobs")]
use crate::archive::blob_lines::read_blob;
use crate::archive::errors::{corrupt, read_error};
use crate::archive::history::{read_item, read_version};
use crate::archive::lines::Hashing;
use crate::archive::manifest::ArchivedCollection;
use crate::archive::place::{Bytes, FileAt};
#[cfg(feature = "blobs")]
use crate::blobs::record::NeededBlob;
use crate::ndjson::{self, Line};
use crate::past::PastVersion;

/// No record is longer as text; a longer line is damage, and not read whole.
const MAX_LINE_BYTES: u64 = 256 * 1_024 * 1_024;
/// A chunk ends early above this, so that memory does not depend on how large
/// the documents are.
const MAX_CHUNK_BYTES: usize = 4 * 1_024 * 1_024;
/// Chunks read ahead.
const READ_AHEAD: usize = 2;

/// What the manifest says of a file.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    pub(crate) bytes: u64,
    pub(crate) digest: String,
    pub(crate) lines: u64,
    /// What a line is, in an error.
    pub(crate) of: &'static str,
}

impl FileEntry {
    /// That of the records of a collection.
    pub(crate) fn of_records(entry: &ArchivedCollection) -> Self {
        let (bytes, digest) = (entry.file_bytes, entry.file_digest.clone());
        Self { bytes, digest, lines: entry.records, of: "records" }
    }
}

/// Some lines of a file.
pub(crate) struct Chunk {
    /// The number of the first line, from 1.
    first: u64,
    text: Vec<u8>,
}

impl Chunk {
    /// The records of the lines.
    pub(crate) fn parse(&self, file: &Path, schema: &CollectionSchema) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for (number, line) in self.lines() {
            let parsed = ndjson::parse(line, number, schema)
                .map_err(|error| error.into_kind(ErrorKind::Corrupt).with("file", file.display()));
            match parsed? {
                Line::Record(record) => records.push(record),
                Line::Document { .. } => {
                    return Err(corrupt(file, "a line has no _version").with("line", number));
                }
            }
        }
        Ok(records)
    }

    /// The older versions of the lines.
    pub(crate) fn versions(&self, file: &Path) -> Result<Vec<PastVersion>> {
        self.lines().map(|(number, line)| read_version(line, number, file)).collect()
    }

    /// The items of the lines.
    pub(crate) fn items(&self, file: &Path) -> Result<Vec<(SystemCollection, SystemItem)>> {
        self.lines().map(|(number, line)| read_item(line, number, file)).collect()
    }

    /// The blobs of the lines.
    #[cfg(feature = "blobs")]
    pub(crate) fn blobs(&self, file: &Path) -> Result<Vec<NeededBlob>> {
        self.lines().map(|(number, line)| read_blob(line, number, file)).collect()
    }

    /// Each line with its number, without its line feed.
    fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let lines = self.text.split_inclusive(|&byte| byte == b'\n');
        (self.first..).zip(lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line)))
    }
}

/// The lines of a file except the first `after`, `lines_each` at a time.
pub(crate) fn chunks(
    file: FileAt,
    entry: FileEntry,
    after: u64,
    lines_each: NonZeroUsize,
) -> BoxStream<'static, Result<Chunk>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut send = |chunk| sender.blocking_send(Ok(Some(chunk))).is_ok();
        let end = read(&file, &entry, (after, lines_each), &mut send).map(|()| None);
        // Nobody listens any more when this fails.
        let _ = sender.blocking_send(end);
    });
    // The end is a message of its own: a channel that closes without it must
    // not pass for the end of the file.
    futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(None)) => None,
            Some(Ok(Some(chunk))) => Some((Ok(chunk), Some(receiver))),
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Err(gone()), None)),
        }
    })
    .boxed()
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "read an archive", "reading stopped before the end")
}

/// Reads the whole file; stops early, without an error, when `send` says that
/// nobody listens.
fn read(
    at: &FileAt,
    entry: &FileEntry,
    (after, lines_each): (u64, NonZeroUsize),
    send: &mut dyn FnMut(Chunk) -> bool,
) -> Result<()> {
    let path = at.path();
    let hashing = BufReader::new(Hashing::new(at.open()?));
    let decoder = zstd::Decoder::with_buffer(hashing).map_err(|error| read_error(path, error))?;
    let mut lines = BufReader::with_capacity(128 * 1_024, decoder);
    let mut count = 0;
    let mut passed = Vec::new();
    while count < after && append_line(&mut lines, &mut passed, path, count + 1)? {
        count += 1;
        passed.clear();
    }
    loop {
        let mut chunk = Chunk { first: count + 1, text: Vec::new() };
        let wanted = count + lines_each.get() as u64;
        while count < wanted
            && chunk.text.len() < MAX_CHUNK_BYTES
            && append_line(&mut lines, &mut chunk.text, path, count + 1)?
        {
            count += 1;
        }
        if chunk.text.is_empty() {
            break;
        }
        if !send(chunk) {
            return Ok(());
        }
    }
    check_end(path, entry, count, lines.into_inner().finish())
}

/// Appends the next line, its line feed included; false at the end.
fn append_line(
    lines: &mut impl BufRead,
    text: &mut Vec<u8>,
    path: &Path,
    number: u64,
) -> Result<bool> {
    let read = lines
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', text)
        .map_err(|error| read_error(path, error).with("line", number))?;
    if read == 0 {
        return Ok(false);
    }
    if text.last() != Some(&b'\n') {
        return Err(corrupt(path, "a line has no end").with("line", number));
    }
    Ok(true)
}

/// Compares what was read with the manifest.
fn check_end(
    path: &Path,
    entry: &FileEntry,
    count: u64,
    mut rest: BufReader<Hashing<Bytes>>,
) -> Result<()> {
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(|error| read_error(path, error))?;
    let hashing = rest.into_inner();
    let digest = hashing.hasher.finalize().to_hex();
    if hashing.bytes != entry.bytes || *digest != *entry.digest {
        return Err(corrupt(path, "the file is not the one that the manifest describes")
            .with("expected_bytes", entry.bytes)
            .with("found_bytes", hashing.bytes));
    }
    if count != entry.lines {
        let why = format!("the number of {} does not fit the manifest", entry.of);
        return Err(corrupt(path, why).with("expected", entry.lines).with("found", count));
    }
    Ok(())
}
