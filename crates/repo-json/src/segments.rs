//! Journals that are kept for the change feed after their checkpoint, each under
//! the places of the feed that it holds, 20 digits each, and the number in its head:
//! `.changes/FIRST-END-NUMBER`.
//!
//! The journal gets its second name before the fresh one takes its place, so at
//! every moment each change stands under one of both. Where the file system has no
//! second names it is copied.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use repo_core::Result;

use crate::errors;
use crate::feed_record::FeedRecord;
use crate::folder::{self, Folder};
use crate::span::Span;

/// Digits of a place in a name.
const DIGITS: usize = 20;
/// Where a copy is written before it takes its name.
pub(crate) const UNFINISHED: &str = "copy.new";
const KEEP: &str = "keep the journal for the change feed";

fn name_of(span: Span) -> String {
    format!("{:0DIGITS$}-{:0DIGITS$}-{}", span.first, span.end, span.journal)
}

fn span_of(name: &str) -> Option<Span> {
    let mut parts = name.split('-').map(|part| part.parse().ok());
    let span = Span { first: parts.next()??, end: parts.next()??, journal: parts.next()?? };
    (name_of(span) == name && span.first < span.end).then_some(span)
}

/// The path of a kept journal.
pub(crate) fn path_of(folder: &Folder, span: Span) -> PathBuf {
    folder.changes().join(name_of(span))
}

/// All kept journals, in the order of their places.
pub(crate) fn list(folder: &Folder) -> Result<Vec<Span>> {
    let path = folder.changes();
    let failed = |e| errors::io("look at the kept journals", &path, e);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut spans = Vec::new();
    for entry in entries {
        spans.extend(entry.map_err(failed)?.file_name().to_str().and_then(span_of));
    }
    spans.sort_unstable();
    Ok(spans)
}

/// Makes the folder that they stand in, durably.
pub(crate) fn make_folder(folder: &Folder) -> Result<()> {
    let path = folder.changes();
    folder::refuse_link(&path)?;
    if !path.is_dir() {
        folder::make_folder(KEEP, &path)?;
        folder.sync()?;
    }
    Ok(())
}

/// Keeps the journal, which ends with a checkpoint, under the places that it holds.
/// Safe to repeat. What claims later places is removed: it is of a time after the
/// one to which the store was put back.
pub(crate) fn keep(folder: &Folder, span: Span) -> Result<()> {
    make_folder(folder)?;
    let of_later = |other: &&Span| other.end > span.first && **other != span;
    for other in list(folder)?.iter().filter(of_later) {
        folder::remove_if_there(&path_of(folder, *other))?;
    }
    let (journal, path) = (folder.journal(), path_of(folder, span));
    if !is_same(&journal, &path)? {
        folder::remove_if_there(&path)?;
        if fs::hard_link(&journal, &path).is_err() {
            copy(folder, &journal, &path)?;
        }
    }
    folder::sync_folder(&folder.changes())
}

fn copy(folder: &Folder, journal: &Path, path: &Path) -> Result<()> {
    let unfinished = folder.changes().join(UNFINISHED);
    let mut from = File::open(journal).map_err(|e| errors::io(KEEP, journal, e))?;
    let mut to = folder::create(&unfinished)?;
    io::copy(&mut from, &mut to)
        .and_then(|_| to.sync_all())
        .map_err(|e| errors::io(KEEP, &unfinished, e))?;
    folder::rename(&unfinished, path)
}

fn is_same(journal: &Path, path: &Path) -> Result<bool> {
    let identity = |path: &Path| match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(errors::io(KEEP, path, e)),
    };
    let (kept, journal) = (identity(path)?, identity(journal)?);
    Ok(kept.is_some() && kept == journal)
}

/// Removes what nobody can read any more: all of it once capture is off. Gives how
/// many kept journals it removed.
pub(crate) fn remove_unneeded(folder: &Folder, feed: &FeedRecord) -> Result<u64> {
    let unneeded = |span: &&Span| !feed.capture.is_on() || span.end <= feed.trimmed;
    let mut removed = 0;
    for span in list(folder)?.iter().filter(unneeded) {
        folder::remove_if_there(&path_of(folder, *span))?;
        removed += 1;
    }
    if !feed.capture.is_on() {
        // Not if something else stands in it.
        let _ = fs::remove_dir(folder.changes());
    }
    Ok(removed)
}

/// Refuses a file that is written in place and has a second name: what is committed
/// through one folder would be in the other as well, up to the next checkpoint of
/// either. The name under which a checkpoint keeps it is none such: it is there until
/// the fresh journal takes the place.
pub(crate) fn refuse_second_name(folder: &Folder, file: &File, path: &Path) -> Result<()> {
    let found = file.metadata().map_err(|e| errors::io("look at a file", path, e))?;
    let names = found.nlink();
    if names <= 1 {
        return Ok(());
    }
    let is_it = |span: &Span| {
        let kept = fs::symlink_metadata(path_of(folder, *span));
        kept.is_ok_and(|kept| (kept.dev(), kept.ino()) == (found.dev(), found.ino()))
    };
    let kept = list(folder)?.iter().filter(|span| is_it(span)).count();
    if names == 2 && kept == 1 { Ok(()) } else { Err(errors::second_name(path, names)) }
}
