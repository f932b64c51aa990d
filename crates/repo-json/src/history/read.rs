//! Older versions of some ids, from what is in memory and from the files.

use std::ops::Bound;
use std::sync::Arc;

use repo_core::strategy::{OlderState, OlderThan, OlderVersion};
use repo_core::{EntityId, Result, Timestamp, Version};

use super::file::{Cursor, HistoryFile};
use super::kept::{History, Was};
use super::line::Line;
use super::version_key::VersionKey;
use crate::documents::Documents;

/// The versions of an id below one, down to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Below<'a> {
    pub(crate) id: &'a EntityId,
    pub(crate) version: u64,
    pub(crate) oldest: u64,
}

impl<'a> Below<'a> {
    pub(crate) fn of(older: &'a OlderThan) -> Self {
        Self { id: &older.id, version: older.version.get(), oldest: older.oldest.get() }
    }

    /// The first version that it may be; `None` where there is none.
    fn first(&self) -> Option<VersionKey> {
        let highest = self.version.checked_sub(1).filter(|highest| *highest > 0)?;
        Some(VersionKey::new(self.id.as_str(), highest))
    }
}

/// What a history knows of some ids at one moment.
#[derive(Debug)]
pub(crate) struct View {
    documents: Documents,
    /// The newest first.
    files: Vec<Arc<HistoryFile>>,
    /// For each id, the newest first.
    recent: Vec<Vec<(u64, Was)>>,
}

impl History {
    /// What is needed to read at most `most` versions.
    pub(crate) fn view(&self, documents: Documents, of: &[Below<'_>], most: usize) -> View {
        let mut left = most;
        let recent = of.iter().map(|below| self.recent_of(below, &mut left)).collect();
        View { documents, files: self.files.iter().rev().cloned().collect(), recent }
    }

    /// Those of an id in memory, until there are enough.
    fn recent_of(&self, below: &Below<'_>, left: &mut usize) -> Vec<(u64, Was)> {
        let Some(first) = below.first() else { return Vec::new() };
        let mut found = Vec::new();
        let all = self.recent.range((Bound::Included(first), Bound::Unbounded));
        let all = all
            .take_while(|(key, _)| *key.id == *below.id.as_str() && key.version() >= below.oldest);
        for (key, recent) in all.filter(|(key, _)| !key.attributes) {
            if *left == 0 {
                break;
            }
            *left -= usize::from(recent.was != Was::Forgotten);
            found.push((key.version(), recent.was));
        }
        found
    }
}

impl View {
    /// At most `most` of the versions that this is a view of, in their order.
    pub(crate) fn read(&self, of: &[Below<'_>], most: usize) -> Result<Vec<OlderVersion>> {
        let mut all = Vec::new();
        for (below, recent) in of.iter().zip(&self.recent) {
            self.read_one(below, recent, most, &mut all)?;
        }
        Ok(all)
    }

    /// The newest ones of an id.
    fn read_one(
        &self,
        below: &Below<'_>,
        recent: &[(u64, Was)],
        most: usize,
        all: &mut Vec<OlderVersion>,
    ) -> Result<()> {
        let Some(first) = below.first() else { return Ok(()) };
        let mut recent = recent.iter().peekable();
        let mut files: Vec<(Cursor<'_>, Option<Line>)> = Vec::new();
        if all.len() < most {
            for file in &self.files {
                let mut lines = file.lines_from(&first)?;
                let line = next_of(&mut lines, below.id)?;
                files.push((lines, line));
            }
        }
        while all.len() < most {
            let in_files = files.iter().filter_map(|(_, line)| Some(line.as_ref()?.key.version()));
            let in_memory = recent.peek().map(|(version, _)| *version);
            let newest = in_files.chain(in_memory).max();
            let Some(version) = newest.filter(|version| *version >= below.oldest) else { break };
            let mut found = None;
            if let Some((_, was)) = recent.next_if(|(found, _)| *found == version) {
                found = Some(self.version(below.id, version, *was)?);
            }
            for (lines, line) in &mut files {
                if let Some(read) = line.take_if(|line| line.key.version() == version) {
                    if found.is_none() {
                        found = Some(lines.older(&read)?);
                    }
                    *line = next_of(lines, below.id)?;
                }
            }
            all.extend(found.flatten());
        }
        Ok(())
    }

    fn version(&self, id: &EntityId, version: u64, was: Was) -> Result<Option<OlderVersion>> {
        let (updated_at, state) = match was {
            Was::Forgotten => return Ok(None),
            Was::Removed { updated_at } => (updated_at, OlderState::Removed),
            Was::Record(slot, _) if !slot.is_live() => (slot.updated_at, OlderState::Deleted),
            Was::Record(slot, digest) => {
                let document = self.documents.read(&slot)?;
                self.documents.check(&document, &slot, digest)?;
                let created_at = Timestamp::from_micros(slot.created_at)?;
                (slot.updated_at, OlderState::Live { created_at, document })
            }
        };
        let (version, updated_at) = (Version::new(version)?, Timestamp::from_micros(updated_at)?);
        Ok(Some(OlderVersion::new(id.clone(), version, updated_at, state)))
    }
}

/// The next line that says what a version was, if it is one of this id.
fn next_of(lines: &mut Cursor<'_>, id: &EntityId) -> Result<Option<Line>> {
    while let Some(line) = lines.next()?.filter(|line| *line.key.id == *id.as_str()) {
        if !line.key.attributes {
            return Ok(Some(line));
        }
    }
    Ok(None)
}
