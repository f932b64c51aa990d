//! Removing what is left of the documents of deleted records.
//!
//! A checkpoint leaves the data files, the journal and the histories without them. The
//! journals that are kept for the change feed stay, for positions count their bytes: there
//! spaces take the place of each document. The feed reads keys and versions alone.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use repo_core::strategy::{Remnant, push_json_string};
use repo_core::{CollectionName, EntityId, Result};

use super::Session;
use crate::errors;
use crate::folder;
use crate::history;
use crate::journal::{
    FRAME_HEAD, Frame, JOURNAL_HEAD, OlderOp, OlderOpState, Op, append, decode_ops, frame_at,
    frame_of, read_head,
};
use crate::packed::{is_packed, text_reader};
use crate::segments;

const SCRUB: &str = "scrub a record";
/// Bytes of a file that are searched together.
const CHUNK: usize = 1_024 * 1_024;

/// The records that are scrubbed.
struct Scrubbed<'a> {
    collection: &'a str,
    ids: &'a [EntityId],
}

impl Session {
    /// Scrubs records that are deleted, and names what may still hold them.
    pub(crate) fn scrub(
        &mut self,
        collection: &CollectionName,
        ids: &[EntityId],
    ) -> Result<Vec<Remnant>> {
        self.store.state().check_rebuild(&self.store.env, SCRUB)?;
        self.checkpoint()?;
        let scrubbed = Scrubbed { collection: collection.as_str(), ids };
        let folder = &self.store.env.folder;
        let mut remnants = Vec::new();
        for span in segments::list(folder)? {
            remnants.extend(scrubbed.kept_journal(&segments::path_of(folder, span))?);
        }
        let state = self.store.state();
        let kept = state.collections.get(collection).and_then(|found| found.history.as_ref());
        for file in kept.iter().flat_map(|history| &history.files) {
            if let Err(error) = history::check_file(file) {
                let what = format!("a file of the history that cannot be rewritten: {error}");
                remnants.push(Remnant::new(folder.history().join(&file.name).display(), what));
            }
        }
        drop(state);
        remnants.extend(self.copies(&scrubbed)?);
        Ok(remnants)
    }

    /// Copies of replaced files, and files that were set aside, which hold one of the ids.
    fn copies(&self, scrubbed: &Scrubbed<'_>) -> Result<Vec<Remnant>> {
        let env = &self.store.env;
        let aside = |path: &PathBuf| {
            path.extension().is_some_and(|end| end == "set-aside" || end == "before-resolve")
        };
        let mut files = files_in(&env.settings.backup_folder())?;
        for path in entries(env.folder.path())?.into_iter().filter(aside) {
            if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
        }
        let mut remnants = Vec::new();
        for path in files {
            if scrubbed.may_stand_in(&path)? {
                let what = "a copy that may hold the record: remove it when it is not needed";
                remnants.push(Remnant::new(path.display(), what));
            }
        }
        Ok(remnants)
    }
}

impl Scrubbed<'_> {
    /// Writes a kept journal anew, if it has a document of one of the records; then the new
    /// file takes its place. One that is damaged stays.
    fn kept_journal(&self, path: &Path) -> Result<Option<Remnant>> {
        let Some(file) = folder::open_if_there(path)? else { return Ok(None) };
        let failed = |e| errors::io(SCRUB, path, e);
        let len = file.metadata().map_err(failed)?.len();
        let mut copy: Option<(File, PathBuf)> = None;
        let mut at = JOURNAL_HEAD;
        let damaged = || {
            let what = "a kept journal that is damaged: read the feed to its end, or remove it";
            Ok(Some(Remnant::new(path.display(), what)))
        };
        let Ok(generation) = read_head(&file, path) else { return damaged() };
        while at < len {
            let Some(mut frame) = frame_at(&file, path, generation, at, len)? else {
                return damaged();
            };
            let next = frame.payload_at + frame.payload.len() as u64;
            let Some(ranges) = self.documents(&frame) else { return damaged() };
            if !ranges.is_empty() {
                ranges.into_iter().for_each(|range| frame.payload[range].fill(b' '));
                let (copy, _) = match &mut copy {
                    Some(copy) => copy,
                    none => none.insert(copy_of(path)?),
                };
                let whole = frame_of(generation, frame.sequence, &frame.payload);
                append(copy, frame.payload_at - FRAME_HEAD, &whole).map_err(failed)?;
            }
            at = next;
        }
        if let Some((copy, beside)) = copy {
            copy.sync_all().map_err(failed)?;
            folder::rename(&beside, path)?;
            path.parent().map_or(Ok(()), folder::sync_folder)?;
        }
        Ok(None)
    }

    /// Where documents of the records stand in the payload, and the engine's own items,
    /// of which nothing is ever read there. `None` for a payload that cannot be read.
    fn documents(&self, frame: &Frame) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::new();
        for op in decode_ops(&frame.payload) {
            let (op, at) = op?;
            let text = match op {
                Op::Put { collection, id, document, .. } if self.are(collection, id) => document,
                Op::Older(OlderOp { collection, id, state, .. }) if self.are(collection, id) => {
                    match state {
                        OlderOpState::Live { document, .. } => document,
                        OlderOpState::Attributed { by } => by,
                        _ => continue,
                    }
                }
                Op::Item { value: Some(value), .. } => value,
                _ => continue,
            };
            if text.bytes().any(|byte| byte != b' ') {
                ranges.push(at..at + text.len());
            }
        }
        Some(ranges)
    }

    fn are(&self, collection: &str, id: &str) -> bool {
        collection == self.collection && self.ids.iter().any(|one| one.as_str() == id)
    }

    /// Whether a file has one of the ids as a JSON string.
    fn may_stand_in(&self, path: &Path) -> Result<bool> {
        let failed = |e| errors::io(SCRUB, path, e);
        let needles: Vec<String> = self.ids.iter().map(json_of).collect();
        let finders: Vec<Finder<'_>> = needles.iter().map(Finder::new).collect();
        let longest = needles.iter().map(String::len).max().unwrap_or_default();
        let Some(file) = folder::open_if_there(path)? else { return Ok(false) };
        let mut text: Box<dyn io::Read> = match is_packed(&file).map_err(failed)? {
            false => Box::new(file),
            true => match text_reader(file) {
                Ok(text) => text,
                // Nobody can say what stands in it.
                Err(_) => return Ok(true),
            },
        };
        let mut buffer = Vec::new();
        loop {
            let read = match (&mut text).take(CHUNK as u64).read_to_end(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(true),
                read => read.map_err(failed)?,
            };
            if finders.iter().any(|finder| finder.find(&buffer).is_some()) {
                return Ok(true);
            }
            if read == 0 {
                return Ok(false);
            }
            // It may stand across the end of what was read.
            buffer.drain(..buffer.len().saturating_sub(longest));
        }
    }
}

fn json_of(id: &EntityId) -> String {
    let mut text = String::new();
    push_json_string(&mut text, id.as_str());
    text
}

/// A copy beside a kept journal, to be changed.
fn copy_of(path: &Path) -> Result<(File, PathBuf)> {
    let failed = |e| errors::io(SCRUB, path, e);
    let beside = path.with_file_name(segments::UNFINISHED);
    let mut from = File::open(path).map_err(failed)?;
    let mut to = folder::create(&beside)?;
    io::copy(&mut from, &mut to).map_err(failed)?;
    Ok((to, beside))
}

/// The files of a folder; none where there is no folder.
fn files_in(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?.into_iter().filter(|path| path.is_file()).collect())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| errors::io(SCRUB, path, e);
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(failed(e)),
    }
}
