//! Reading the change feed: from the kept journals, then from the journal.
//!
//! A position is the place of the frame that is read next, plus how many changes of
//! that frame were read. Both are found again without reading what is before.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState};
use repo_core::{CollectionName, EntityId, Error, ErrorKind, Key, Result, Version};

use crate::errors;
use crate::journal::{
    Frame, JOURNAL_HEAD, Op, decode_ops, frame_around, frame_at, read_frames, read_head,
};
use crate::names::READ_FEED;
use crate::segments;
use crate::span::Span;
use crate::state::Repair;
use crate::store::Store;

/// A part of the feed, before the records are looked up.
pub(crate) type Page = (Vec<CapturedWrite>, FeedPosition);

/// What of the feed a handle knows at one moment.
struct View {
    state: FeedState,
    journal: Journal,
}

/// What the feed holds now. `None` while a checkpoint has to be finished first.
pub(crate) fn state(store: &Store) -> Result<Option<FeedState>> {
    Ok(view(store)?.map(|view| view.state))
}

fn view(store: &Store) -> Result<Option<View>> {
    store.catch_up(READ_FEED)?;
    let state = store.state();
    let feed = state.feed(&store.env, READ_FEED)?;
    let (Some(journal), Some(record)) = (&state.journal, &state.feed) else { return Ok(None) };
    if state.repair != Repair::None {
        return Ok(None);
    }
    let end = record.place(journal.end);
    let journal = Journal {
        file: Arc::clone(&journal.file),
        path: store.env.folder.journal(),
        span: Span { first: record.base, end, journal: journal.generation },
        len: journal.end,
        kept: false,
    };
    Ok(Some(View { state: feed, journal }))
}

/// At most `most` changes after a position. `None` while a checkpoint has to be
/// finished first.
pub(crate) fn read(
    store: &Store,
    after: Option<&FeedPosition>,
    most: NonZeroUsize,
) -> Result<Option<Page>> {
    let mut again = true;
    loop {
        let Some(view) = view(store)? else { return Ok(None) };
        let start = view.state.start(after)?;
        let at = start.first().copied().unwrap_or_default();
        let head = view.state.head.first().copied().unwrap_or_default();
        let mut page = Reading { view: &view, store, at, most, writes: Vec::new() };
        let filled = if at == head { Ok(()) } else { page.fill() };
        match filled {
            // Somebody may have removed it while this looked: then the position expired.
            Err(error) if error.kind() == ErrorKind::FeedExpired && again => again = false,
            // What is before a bad place is read; the next call tells of it.
            Err(error) if page.writes.is_empty() => return Err(error),
            _ => {
                let Reading { at, writes, .. } = page;
                // What follows the head is no change.
                return Ok(Some((writes, view.state.position(vec![at.min(head)]))));
            }
        }
    }
}

/// A page that is being read.
struct Reading<'v> {
    view: &'v View,
    store: &'v Store,
    /// How far it came.
    at: u64,
    most: NonZeroUsize,
    writes: Vec<CapturedWrite>,
}

impl Reading<'_> {
    fn fill(&mut self) -> Result<()> {
        if self.at < self.view.journal.span.first {
            let kept = segments::list(&self.store.env.folder)?;
            while self.at < self.view.journal.span.first && !self.is_full() {
                let at = self.at;
                let span = kept.iter().find(|span| (span.first..span.end).contains(&at));
                let journal = match span {
                    Some(span) => Journal::open(self.store, *span)?,
                    None => None,
                };
                self.read(&journal.ok_or_else(|| removed(self.store, at))?)?;
            }
        }
        if self.is_full() {
            return Ok(());
        }
        self.read(&self.view.journal)
    }

    fn is_full(&self) -> bool {
        self.writes.len() >= self.most.get()
    }

    /// Reads a journal from where this is to its end, or until the page is full.
    fn read(&mut self, journal: &Journal) -> Result<()> {
        let Some((mut frame, mut skip)) = journal.frame_of(self.at)? else { return Ok(()) };
        loop {
            if self.read_frame(journal, &frame, skip)? {
                return Ok(());
            }
            skip = 0;
            match journal.next(&frame)? {
                Some(next) => frame = next,
                None => return Ok(()),
            }
        }
    }

    /// Reads a frame; whether nothing follows that is wanted.
    fn read_frame(&mut self, journal: &Journal, frame: &Frame, skip: u64) -> Result<bool> {
        let begin = journal.place(frame.payload_at - crate::journal::FRAME_HEAD);
        let end = journal.place(frame.payload_at + frame.payload.len() as u64);
        let mut read = 0;
        let mut ops = decode_ops(&frame.payload).peekable();
        while let Some(op) = ops.next() {
            let (op, _) = op.ok_or_else(|| journal.damaged(frame.payload_at))?;
            read += 1;
            if let Op::Checkpoint(_) = op {
                // The places of the next journal begin with its own.
                let ends_here = journal.kept && begin + read - 1 == journal.span.end;
                self.at = journal.span.end;
                return if ends_here { Ok(true) } else { Err(journal.damaged(frame.payload_at)) };
            }
            let place = if ops.peek().is_none() { end } else { begin + read };
            if read <= skip {
                continue;
            }
            if let Some((key, version, deleted)) = change(&op) {
                let (key, version) = key
                    .and_then(|key| Ok((key, Version::new(version)?)))
                    .map_err(|_| journal.damaged(frame.payload_at))?;
                let position = self.view.state.position(vec![place]);
                self.writes.push(CapturedWrite { position, key, version, deleted });
            }
            self.at = place;
            if self.is_full() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What an operation says of a record.
fn change(op: &Op<'_>) -> Option<(Result<Key>, u64, bool)> {
    let (collection, id, version, deleted) = match op {
        Op::Put { collection, id, version, .. } => (collection, id, version, false),
        Op::Delete { collection, id, version, .. } => (collection, id, version, true),
        Op::Edited { collection, id, version, deleted } => (collection, id, version, *deleted),
        _ => return None,
    };
    let key = CollectionName::new(collection)
        .and_then(|collection| Ok(Key::new(collection, EntityId::new(id)?)));
    Some((key, *version, deleted))
}

/// A journal, in use or kept.
struct Journal {
    file: Arc<File>,
    path: PathBuf,
    span: Span,
    /// Bytes of it that are known.
    len: u64,
    /// Whether it is kept, so that it has to end with a checkpoint.
    kept: bool,
}

impl Journal {
    /// `None` when it is not there.
    fn open(store: &Store, span: Span) -> Result<Option<Self>> {
        let path = segments::path_of(&store.env.folder, span);
        let Some(file) = crate::folder::open_if_there(&path)? else { return Ok(None) };
        let generation = read_head(&file, &path).map_err(|error| match error.kind() {
            ErrorKind::Corrupt => damaged(&path, 0),
            _ => error,
        })?;
        if generation != span.journal {
            return Err(damaged(&path, 0));
        }
        let len = file.metadata().map_err(|e| errors::io(READ_FEED, &path, e))?.len();
        Ok(Some(Self { file: Arc::new(file), path, span, len, kept: true }))
    }

    /// The place of a byte.
    fn place(&self, byte: u64) -> u64 {
        self.span.first + (byte - JOURNAL_HEAD)
    }

    /// The frame that holds what follows a place, and how much of it is before. `None`
    /// at the end of the journal in use.
    fn frame_of(&self, at: u64) -> Result<Option<(Frame, u64)>> {
        let byte = JOURNAL_HEAD + at.saturating_sub(self.span.first);
        if !self.kept && byte == self.len {
            return Ok(None);
        }
        let (file, path) = (&self.file, &self.path);
        if let Some(frame) = frame_at(file, path, self.span.journal, byte, self.len)? {
            return Ok(Some((frame, 0)));
        }
        if let Some(frame) = frame_around(file, path, self.span.journal, byte, self.len)? {
            let skip = byte - (frame.payload_at - crate::journal::FRAME_HEAD);
            if skip < decode_ops(&frame.payload).count() as u64 {
                return Ok(Some((frame, skip)));
            }
        }
        Err(self.not_a_place(at, byte))
    }

    /// The frame after one. `None` at the end of the journal in use.
    fn next(&self, frame: &Frame) -> Result<Option<Frame>> {
        let byte = frame.payload_at + frame.payload.len() as u64;
        if !self.kept && byte == self.len {
            return Ok(None);
        }
        let next = frame_at(&self.file, &self.path, self.span.journal, byte, self.len)?;
        match next.filter(|next| next.sequence == frame.sequence + 1) {
            Some(next) => Ok(Some(next)),
            None => Err(self.damaged(byte)),
        }
    }

    /// Why there is no frame for a place: either the journal is damaged, or the feed
    /// never gave this position.
    fn not_a_place(&self, at: u64, byte: u64) -> Error {
        let (file, path) = (&self.file, &self.path);
        let sound = read_frames(file, path, self.span.journal, JOURNAL_HEAD, 0, |_| Ok(()));
        match sound {
            Ok((end, _)) if end > byte => expired(
                at,
                "the feed has no such position: the store was put back to an older state",
            ),
            Ok((end, _)) => self.damaged(end),
            Err(error) => error,
        }
    }

    fn damaged(&self, byte: u64) -> Error {
        damaged(&self.path, byte)
    }
}

fn damaged(path: &Path, byte: u64) -> Error {
    errors::corrupt(READ_FEED, path, byte, "a journal of the change feed is damaged")
        .hint(format!("put the file back from a backup; or {RESYNC}"))
}

const RESYNC: &str = "take the head of the feed, read all records, and follow from that head: \
                      versions show what is new";

fn removed(store: &Store, at: u64) -> Error {
    expired(at, "the journal that held the changes after the position is not there any more")
        .with("folder", store.env.folder.changes().display())
}

fn expired(at: u64, why: &str) -> Error {
    Error::new(ErrorKind::FeedExpired, READ_FEED, why).with("place", at).hint(RESYNC)
}
