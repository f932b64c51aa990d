//! Writing the lines of an import: which of them share a commit, and what
//! became of each.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use repo_core::strategy::{Applied, Capabilities, Record, StorageStrategy};
use repo_core::{
    CollectionName, Document, EntityId, Error, ErrorKind, Key, Precondition, Result, Version,
    Write, Written,
};
use serde::Serialize;

use repo_migrate::ndjson::Line;

/// Most bytes of lines in one batch, however many lines were asked for.
const MAX_BATCH_BYTES: usize = 8 * 1_024 * 1_024;

/// What became of one line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answer {
    id: EntityId,
    version: Version,
    outcome: Fate,
}

/// How a line fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    /// A line without a version was stored under the next one.
    Saved,
    /// A line with a version was stored as it is.
    Applied,
    /// The store held just that already.
    Equal,
    /// The store holds a higher version.
    Older,
    /// The store holds this version with other content.
    Diverged,
}

impl From<Applied> for Fate {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Applied => Self::Applied,
            Applied::Equal => Self::Equal,
            Applied::Older => Self::Older,
            Applied::Diverged => Self::Diverged,
        }
    }
}

impl Answer {
    /// Whether the store now holds what the line says.
    pub(crate) fn is_stored(&self) -> bool {
        !matches!(self.outcome, Fate::Older | Fate::Diverged)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.outcome {
            Fate::Saved | Fate::Applied => "stored",
            Fate::Equal => "already there",
            Fate::Older => "left out: the store holds a higher version",
            Fate::Diverged => "left out: the store holds this version with other content",
        };
        write!(f, "{} version {}: {why}", self.id, self.version)
    }
}

/// How many lines became what.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) saved: u64,
    pub(crate) applied: u64,
    pub(crate) equal: u64,
    pub(crate) older: u64,
    pub(crate) diverged: u64,
}

impl Totals {
    pub(crate) fn count(&mut self, answer: &Answer) {
        let counter = match answer.outcome {
            Fate::Saved => &mut self.saved,
            Fate::Applied => &mut self.applied,
            Fate::Equal => &mut self.equal,
            Fate::Older => &mut self.older,
            Fate::Diverged => &mut self.diverged,
        };
        *counter += 1;
    }
}

/// Lines that wait to be written together.
#[derive(Debug)]
pub(crate) struct InputBatch<'a> {
    store: &'a Arc<dyn StorageStrategy>,
    name: &'a CollectionName,
    parts: Vec<InputPart>,
    lines: usize,
    bytes: usize,
}

/// Lines of one kind that follow one another. The parts are written in order,
/// so that a later line for the same id comes later in the store as well.
#[derive(Debug)]
enum InputPart {
    Save(Commit),
    Apply(Vec<Record>),
}

/// Documents that share one commit: each id once, within the store's limits.
#[derive(Debug, Default)]
struct Commit {
    writes: Vec<Write>,
    ids: HashSet<EntityId>,
    bytes: usize,
}

impl Commit {
    fn has_room_for(&self, id: &EntityId, bytes: usize, limits: &Capabilities) -> bool {
        !self.ids.contains(id)
            && limits.max_commit_keys.is_none_or(|most| self.writes.len() < most)
            && limits.max_commit_bytes.is_none_or(|most| self.bytes + bytes <= most)
    }

    fn push(&mut self, collection: &CollectionName, id: EntityId, document: Document) {
        self.bytes += document.size();
        self.ids.insert(id.clone());
        let key = Key::new(collection.clone(), id);
        self.writes.push(Write::put(key, document, Precondition::Any));
    }
}

impl<'a> InputBatch<'a> {
    pub(crate) fn new(store: &'a Arc<dyn StorageStrategy>, name: &'a CollectionName) -> Self {
        Self { store, name, parts: Vec::new(), lines: 0, bytes: 0 }
    }

    /// Adds a line of `bytes` bytes.
    pub(crate) fn push(&mut self, line: Line, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes;
        match line {
            Line::Document { id, document } => self.push_document(id, document),
            Line::Record(record) => match self.parts.last_mut() {
                Some(InputPart::Apply(records)) => records.push(record),
                _ => self.parts.push(InputPart::Apply(vec![record])),
            },
        }
    }

    fn push_document(&mut self, id: EntityId, document: Document) {
        let limits = self.store.capabilities();
        match self.parts.last_mut() {
            Some(InputPart::Save(commit)) if commit.has_room_for(&id, document.size(), limits) => {
                commit.push(self.name, id, document);
            }
            _ => {
                let mut commit = Commit::default();
                commit.push(self.name, id, document);
                self.parts.push(InputPart::Save(commit));
            }
        }
    }

    pub(crate) fn is_full(&self, lines: usize) -> bool {
        self.lines >= lines || self.bytes >= MAX_BATCH_BYTES
    }

    /// Writes all lines, and empties the batch. When it returns they are
    /// durable; after an error any of its parts may be.
    pub(crate) async fn write(&mut self) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(self.lines);
        self.lines = 0;
        self.bytes = 0;
        for part in self.parts.drain(..) {
            match part {
                InputPart::Save(commit) => answers.extend(save(self.store, commit.writes).await?),
                InputPart::Apply(records) => answers.extend(apply(self.store, records).await?),
            }
        }
        Ok(answers)
    }
}

async fn save(store: &Arc<dyn StorageStrategy>, writes: Vec<Write>) -> Result<Vec<Answer>> {
    let ids: Vec<EntityId> = writes.iter().map(|write| write.key.id.clone()).collect();
    let written = store.commit(writes).await?;
    check_answers("commit", ids.len(), written.len())?;
    let version = |written: Written| {
        written.version().ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "commit", "the store gave no version for a write")
        })
    };
    ids.into_iter()
        .zip(written)
        .map(|(id, written)| Ok(Answer { id, version: version(written)?, outcome: Fate::Saved }))
        .collect()
}

async fn apply(store: &Arc<dyn StorageStrategy>, records: Vec<Record>) -> Result<Vec<Answer>> {
    let keys: Vec<(EntityId, Version)> =
        records.iter().map(|record| (record.id().clone(), record.version())).collect();
    let applied = store.apply(records).await?;
    check_answers("apply", keys.len(), applied.len())?;
    let answer =
        |((id, version), applied): (_, Applied)| Answer { id, version, outcome: applied.into() };
    Ok(keys.into_iter().zip(applied).map(answer).collect())
}

fn check_answers(operation: &'static str, asked: usize, answered: usize) -> Result<()> {
    if asked == answered {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        operation,
        "the store answered for another number of writes",
    )
    .with("asked", asked)
    .with("answered", answered))
}
