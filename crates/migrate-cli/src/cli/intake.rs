//! Writing the lines of an import: which of them share a commit, and what
//! became of each.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use repo_core::{
    Applied, CollectionName, EntityId, Error, ErrorKind, Key, Precondition, Record, Result,
    StorageStrategy, Version, Write, Written,
};
use serde::Serialize;

use crate::migration::lines::Line;

/// Most bytes of lines in one batch, however many lines were asked for.
const MAX_BATCH_BYTES: usize = 8 * 1_024 * 1_024;

/// What became of one line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answer {
    id: EntityId,
    version: Version,
    outcome: &'static str,
}

impl Answer {
    /// Whether the store now holds what the line says.
    pub(crate) fn is_stored(&self) -> bool {
        !matches!(self.outcome, OLDER | DIVERGED)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.outcome {
            OLDER => "the store holds a higher version",
            DIVERGED => "the store holds this version with other content",
            other => other,
        };
        write!(f, "{} version {}: {why}", self.id, self.version)
    }
}

const SAVED: &str = "saved";
const APPLIED: &str = "applied";
const EQUAL: &str = "equal";
const OLDER: &str = "older";
const DIVERGED: &str = "diverged";

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
        match answer.outcome {
            SAVED => self.saved += 1,
            APPLIED => self.applied += 1,
            EQUAL => self.equal += 1,
            OLDER => self.older += 1,
            _ => self.diverged += 1,
        }
    }
}

/// Lines that wait to be written together.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    store: &'a Arc<dyn StorageStrategy>,
    name: &'a CollectionName,
    parts: Vec<Part>,
    lines: usize,
    bytes: usize,
}

/// Lines of one kind that follow one another. The parts are written in order,
/// so that a later line for the same id comes later in the store as well.
#[derive(Debug)]
enum Part {
    Save { writes: Vec<Write>, ids: HashSet<EntityId> },
    Apply(Vec<Record>),
}

impl<'a> Batch<'a> {
    pub(crate) fn new(store: &'a Arc<dyn StorageStrategy>, name: &'a CollectionName) -> Self {
        Self { store, name, parts: Vec::new(), lines: 0, bytes: 0 }
    }

    /// Adds a line of `bytes` bytes.
    pub(crate) fn push(&mut self, line: Line, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes;
        match line {
            Line::Document { id, document } => {
                let key = Key::new(self.name.clone(), id.clone());
                let write = Write::put(key, document, Precondition::Any);
                let most = self.store.capabilities().max_commit_keys.unwrap_or(usize::MAX);
                match self.parts.last_mut() {
                    Some(Part::Save { writes, ids })
                        if writes.len() < most && !ids.contains(&id) =>
                    {
                        writes.push(write);
                        ids.insert(id);
                    }
                    _ => self
                        .parts
                        .push(Part::Save { writes: vec![write], ids: HashSet::from([id]) }),
                }
            }
            Line::Record(record) => match self.parts.last_mut() {
                Some(Part::Apply(records)) => records.push(record),
                _ => self.parts.push(Part::Apply(vec![record])),
            },
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
                Part::Save { writes, .. } => answers.extend(save(self.store, writes).await?),
                Part::Apply(records) => answers.extend(apply(self.store, records).await?),
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
        .map(|(id, written)| Ok(Answer { id, version: version(written)?, outcome: SAVED }))
        .collect()
}

async fn apply(store: &Arc<dyn StorageStrategy>, records: Vec<Record>) -> Result<Vec<Answer>> {
    let keys: Vec<(EntityId, Version)> =
        records.iter().map(|record| (record.id().clone(), record.version())).collect();
    let applied = store.apply(records).await?;
    check_answers("apply", keys.len(), applied.len())?;
    let outcome = |applied| match applied {
        Applied::Applied => APPLIED,
        Applied::Equal => EQUAL,
        Applied::Older => OLDER,
        Applied::Diverged => DIVERGED,
    };
    let answer = |((id, version), applied)| Answer { id, version, outcome: outcome(applied) };
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
