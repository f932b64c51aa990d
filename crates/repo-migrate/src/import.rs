//! Importing lines of NDJSON into a collection: which of them share a commit, and
//! what became of each.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use repo_core::strategy::{Applied, Capabilities, Erasures, Record, StorageStrategy};
use repo_core::{
    CollectionSchema, Document, EntityId, Error, ErrorKind, Key, Precondition, Result, Version,
    Write, Written,
};
use serde::Serialize;

use crate::mongoexport;
use crate::ndjson::{self, Line};

/// Most bytes of lines in one batch, however many lines were asked for.
const MAX_BATCH_BYTES: usize = 8 * 1_024 * 1_024;

/// In which form lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LineForm {
    /// As `export` writes them; see [`ndjson`].
    #[default]
    Ndjson,
    /// As `mongoexport` writes them; see [`mongoexport`].
    MongoExport,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportedLine {
    /// The id that the line names.
    pub id: EntityId,
    /// The version that it has now, or that the line names.
    pub version: Version,
    /// Whether it was stored, and how.
    pub outcome: LineOutcome,
}

/// Whether a line was stored, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LineOutcome {
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
    /// The record was erased from the store.
    Erased,
}

impl From<Applied> for LineOutcome {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Applied => Self::Applied,
            Applied::Equal => Self::Equal,
            Applied::Older => Self::Older,
            Applied::Diverged => Self::Diverged,
        }
    }
}

impl ImportedLine {
    /// Whether the store now holds what the line says.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        use LineOutcome::{Diverged, Erased, Older};
        !matches!(self.outcome, Older | Diverged | Erased)
    }
}

impl fmt::Display for ImportedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.outcome {
            LineOutcome::Saved | LineOutcome::Applied => "stored",
            LineOutcome::Equal => "already there",
            LineOutcome::Older => "left out: the store holds a higher version",
            LineOutcome::Diverged => "left out: the store holds this version with other content",
            LineOutcome::Erased => "left out: the record was erased; `put` makes another one",
        };
        write!(f, "{} version {}: {why}", self.id, self.version)
    }
}

/// How many lines became what; the fields are the outcomes of [`LineOutcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ImportTotals {
    /// Stored under the next version.
    pub saved: u64,
    /// Stored with the version of the line.
    pub applied: u64,
    /// Already in the store.
    pub equal: u64,
    /// Left out: the store holds a higher version.
    pub older: u64,
    /// Left out: the store holds the version with other content.
    pub diverged: u64,
    /// Left out: the record was erased.
    pub erased: u64,
}

impl ImportTotals {
    /// Counts a line.
    pub fn count(&mut self, line: &ImportedLine) {
        let counter = match line.outcome {
            LineOutcome::Saved => &mut self.saved,
            LineOutcome::Applied => &mut self.applied,
            LineOutcome::Equal => &mut self.equal,
            LineOutcome::Older => &mut self.older,
            LineOutcome::Diverged => &mut self.diverged,
            LineOutcome::Erased => &mut self.erased,
        };
        *counter += 1;
    }
}

/// Lines of one collection that wait to be written together. Memory is bounded by
/// what [`is_full`](Self::is_full) says.
#[derive(Debug)]
pub struct ImportBatch<'a> {
    store: &'a Arc<dyn StorageStrategy>,
    schema: &'a CollectionSchema,
    erased: &'a Erasures,
    form: LineForm,
    parts: Vec<ImportPart>,
    lines: usize,
    bytes: usize,
}

/// Lines of one kind that follow one another. The parts are written in order,
/// so that a later line for the same id comes later in the store as well.
#[derive(Debug)]
enum ImportPart {
    Save(Commit),
    Apply(Vec<Record>),
    Erased(ImportedLine),
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

    fn push(&mut self, key: Key, document: Document) {
        self.bytes += document.size();
        self.ids.insert(key.id.clone());
        self.writes.push(Write::put(key, document, Precondition::Any));
    }
}

impl<'a> ImportBatch<'a> {
    /// An empty batch for a collection that is prepared. What was erased is left out.
    #[must_use]
    pub fn new(
        store: &'a Arc<dyn StorageStrategy>,
        schema: &'a CollectionSchema,
        erased: &'a Erasures,
    ) -> Self {
        let form = LineForm::default();
        Self { store, schema, erased, form, parts: Vec::new(), lines: 0, bytes: 0 }
    }

    /// The same for lines of another form.
    #[must_use]
    pub fn of_form(self, form: LineForm) -> Self {
        Self { form, ..self }
    }

    /// Adds the line of this number, counted from 1, without its line feed. One
    /// with `_version` is applied as it is, one without is saved.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded`, with the number, for a line that is no record
    /// of the collection or that the store cannot hold.
    pub fn add(&mut self, line: &[u8], number: u64) -> Result<()> {
        let parsed = match self.form {
            LineForm::Ndjson => ndjson::parse(line, number, self.schema)?,
            LineForm::MongoExport => mongoexport::parse(line, number, self.schema)?,
        };
        self.check(&parsed).map_err(|error| error.with("line", number))?;
        self.lines += 1;
        self.bytes += line.len();
        let (id, version) = match &parsed {
            Line::Document { id, .. } => (id, Version::FIRST),
            Line::Record(record) => (record.id(), record.version()),
        };
        let key = Key::new(self.schema.collection.clone(), id.clone());
        if self.erased.cover(&key, version) && !matches!(&parsed, Line::Record(r) if !r.is_live()) {
            let line = ImportedLine { id: key.id, version, outcome: LineOutcome::Erased };
            self.parts.push(ImportPart::Erased(line));
            return Ok(());
        }
        match parsed {
            Line::Document { id, document } => self.push_document(id, document),
            Line::Record(record) => match self.parts.last_mut() {
                Some(ImportPart::Apply(records)) => records.push(record),
                _ => self.parts.push(ImportPart::Apply(vec![record])),
            },
        }
        Ok(())
    }

    /// Checks what the store will check as well: here the line is known.
    fn check(&self, line: &Line) -> Result<()> {
        let (id, document) = match line {
            Line::Document { id, document } => (id, document),
            Line::Record(Record::Live(entity)) => (&entity.id, &entity.document),
            Line::Record(Record::Tombstone(_)) => return Ok(()),
        };
        if let (Line::Document { .. }, Some(expiry)) = (line, &self.schema.expiry) {
            expiry.check(id, document)?;
        }
        self.schema.check_document(id, document, self.store.capabilities().max_entity_bytes)
    }

    fn push_document(&mut self, id: EntityId, document: Document) {
        let limits = self.store.capabilities();
        let key = Key::new(self.schema.collection.clone(), id);
        match self.parts.last_mut() {
            Some(ImportPart::Save(commit))
                if commit.has_room_for(&key.id, document.size(), limits) =>
            {
                commit.push(key, document);
            }
            _ => {
                let mut commit = Commit::default();
                commit.push(key, document);
                self.parts.push(ImportPart::Save(commit));
            }
        }
    }

    /// Whether it holds `lines` lines, or as many bytes as one batch may have (8 MiB).
    #[must_use]
    pub fn is_full(&self, lines: usize) -> bool {
        self.lines >= lines || self.bytes >= MAX_BATCH_BYTES
    }

    /// Writes all lines, and empties the batch. When it returns they are
    /// durable; after an error any of its parts may be.
    ///
    /// # Errors
    /// What the store refuses; `Corrupt` when it answers for another number of
    /// writes.
    pub async fn write(&mut self) -> Result<Vec<ImportedLine>> {
        let mut answers = Vec::with_capacity(self.lines);
        self.lines = 0;
        self.bytes = 0;
        for part in self.parts.drain(..) {
            match part {
                ImportPart::Save(commit) => answers.extend(save(self.store, commit.writes).await?),
                ImportPart::Apply(records) => answers.extend(apply(self.store, records).await?),
                ImportPart::Erased(line) => answers.push(line),
            }
        }
        Ok(answers)
    }
}

async fn save(store: &Arc<dyn StorageStrategy>, writes: Vec<Write>) -> Result<Vec<ImportedLine>> {
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
        .map(|(id, written)| {
            Ok(ImportedLine { id, version: version(written)?, outcome: LineOutcome::Saved })
        })
        .collect()
}

async fn apply(
    store: &Arc<dyn StorageStrategy>,
    records: Vec<Record>,
) -> Result<Vec<ImportedLine>> {
    let keys: Vec<(EntityId, Version)> =
        records.iter().map(|record| (record.id().clone(), record.version())).collect();
    let applied = store.apply(records).await?;
    check_answers("apply", keys.len(), applied.len())?;
    let answer = |((id, version), applied): (_, Applied)| ImportedLine {
        id,
        version,
        outcome: applied.into(),
    };
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

#[cfg(test)]
mod tests {
    use repo_core::strategy::{OpenOptions, StorageStrategyExt as _};
    use repo_core::{CollectionName, MemoryStrategy};

    use super::*;

    #[tokio::test]
    async fn lines_are_stored_in_their_order_and_each_answer_says_how() {
        let schema = CollectionSchema::undeclared(CollectionName::new("items").unwrap());
        let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
        store.prepare(std::slice::from_ref(&schema)).await.unwrap();
        let nothing = Erasures::default();
        let mut batch = ImportBatch::new(&store, &schema, &nothing);
        let time =
            "\"_created_at\":\"2026-03-01T08:00:00Z\",\"_updated_at\":\"2026-03-01T08:00:00Z\"";
        let versioned = |version: u64, n: u64| {
            format!("{{\"id\":\"a\",\"n\":{n},\"_version\":{version},{time}}}")
        };
        let lines = [versioned(3, 1), r#"{"id":"a","n":2}"#.to_owned(), versioned(2, 3)];
        for (line, number) in lines.iter().zip(1..) {
            batch.add(line.as_bytes(), number).unwrap();
        }
        assert!(batch.is_full(3) && !batch.is_full(4));
        let written = batch.write().await.unwrap();
        let mut totals = ImportTotals::default();
        written.iter().for_each(|line| totals.count(line));
        let outcomes: Vec<_> =
            written.iter().map(|line| (line.version.get(), line.outcome)).collect();
        let expected =
            [(3, LineOutcome::Applied), (4, LineOutcome::Saved), (2, LineOutcome::Older)];
        assert_eq!(outcomes, expected);
        assert_eq!((totals.saved, totals.applied, totals.older), (1, 1, 1));
        assert!(!written[2].is_stored());
        let entity = store.get(&schema.collection, &"a".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(
            (entity.version.get(), entity.document.to_string().as_str()),
            (4, r#"{"id":"a","n":2}"#)
        );
        assert!(batch.write().await.unwrap().is_empty());
        let error = batch.add(b"{\"n\":1}", 9).unwrap_err();
        assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::Invalid, Some("9")));
    }
}
