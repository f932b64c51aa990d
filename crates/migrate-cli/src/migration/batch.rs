//! Batches of records with what has to be known of each: computed on several
//! threads, in order.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::{CollectionSchema, Entity, Error, Record, Result, Unreadable};

use super::digest::Fingerprint;
use super::lines;
use super::quarantine::{LeftOut, What};
use super::references::{self, Reference};
use super::side::{Side, blocking, lanes};

/// What is computed of each batch, off the runtime's threads.
pub(super) struct Look {
    pub(super) schema: CollectionSchema,
    pub(super) max_entity_bytes: usize,
    pub(super) lines: bool,
    pub(super) references: bool,
}

/// A batch with what was computed of it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) prints: Vec<Fingerprint>,
    pub(super) lines: Vec<u8>,
    pub(super) references: Vec<Reference>,
    pub(super) offenders: Vec<Offender>,
    /// A record that the source cannot read, with the reason; its batch holds
    /// nothing else.
    pub(super) unreadable: Option<(Unreadable, String)>,
}

impl Batch {
    /// What does not get into the target, with the reasons.
    pub(super) fn left_out(&self) -> Vec<LeftOut> {
        let entry = |offender: &Offender| {
            let record = self.records.get(offender.at)?;
            Some(LeftOut { what: What::Record(record.clone()), reason: offender.rule.clone() })
        };
        let unreadable = self.unreadable.iter().map(|(record, reason)| LeftOut {
            what: What::Unreadable(record.clone()),
            reason: reason.clone(),
        });
        self.offenders.iter().filter_map(entry).chain(unreadable).collect()
    }
}

/// A record that the target cannot hold.
pub(super) struct Offender {
    /// Its place in the batch.
    pub(super) at: usize,
    /// The rule that it breaks.
    pub(super) rule: String,
    /// Whether its line says all of it. A document that does not carry its id
    /// cannot be told by its line: it is in no archive.
    pub(super) tellable: bool,
}

/// The records of a collection in batches, each looked at, in no order.
pub(super) async fn looked_at(
    side: &Side,
    look: Look,
    batch_size: NonZeroUsize,
) -> Result<impl futures::Stream<Item = Result<Batch>>> {
    let look = Arc::new(look);
    let scan = side.scan_all_with_errors(&look.schema.collection, batch_size, lanes()).await?;
    Ok(scan
        .map(|batch| match batch {
            Ok(records) => Ok(Found::Records(records)),
            Err(error) => Found::unreadable(error),
        })
        .map_ok(move |found| {
            let look = Arc::clone(&look);
            blocking(move || {
                Ok(match found {
                    Found::Records(records) => look.at(records),
                    Found::Unreadable(record, reason) => {
                        Batch { unreadable: Some((record, reason)), ..Batch::default() }
                    }
                })
            })
        })
        .try_buffered(lanes())
        .boxed())
}

/// What a scan came upon.
enum Found {
    Records(Vec<Record>),
    Unreadable(Unreadable, String),
}

impl Found {
    fn unreadable(error: Error) -> Result<Self> {
        match error.unreadable().cloned() {
            Some(record) => Ok(Self::Unreadable(record, reason_of(&error))),
            None => Err(error),
        }
    }
}

impl Look {
    fn at(&self, records: Vec<Record>) -> Batch {
        let mut batch =
            Batch { prints: records.iter().map(Fingerprint::of).collect(), ..Batch::default() };
        for (at, record) in records.iter().enumerate() {
            self.at_record(at, record, &mut batch);
        }
        batch.records = records;
        batch
    }

    fn at_record(&self, at: usize, record: &Record, batch: &mut Batch) {
        let mut broken = None;
        if let Record::Live(entity) = record {
            let document = &entity.document;
            broken = breaks(&self.schema, entity, self.max_entity_bytes);
            if self.references {
                let found = &mut batch.references;
                references::of_document(&self.schema, &entity.id, document, found);
            }
        }
        let mut tellable = true;
        if self.lines {
            let before = batch.lines.len();
            lines::write(record, &self.schema, &mut batch.lines);
            if broken.is_some() {
                let line = batch.lines[before..].trim_ascii_end();
                tellable = lines::parse(line, 1, &self.schema).is_ok();
                if !tellable {
                    batch.lines.truncate(before);
                }
            }
        }
        batch.offenders.extend(broken.map(|rule| Offender { at, rule, tellable }));
    }
}

/// The rule of a store with this limit that an entity breaks.
pub(super) fn breaks(
    schema: &CollectionSchema,
    entity: &Entity,
    max_entity_bytes: usize,
) -> Option<String> {
    let checked = schema.check_document(&entity.id, &entity.document, max_entity_bytes);
    checked.err().map(|error| rule_of(&error))
}

/// Why a record cannot be read.
fn reason_of(error: &Error) -> String {
    match error.context_value("reason") {
        Some(reason) => format!("{}: {reason}", error.message()),
        None => rule_of(error),
    }
}

/// The rule that a document breaks, its place and, where it is a limit, by how
/// much.
fn rule_of(error: &Error) -> String {
    let mut rule = error.message().to_owned();
    for name in ["pointer", "bytes", "limit"] {
        if let Some(value) = error.context_value(name) {
            rule.push_str(&format!(", {name} \"{value}\""));
        }
    }
    rule
}
