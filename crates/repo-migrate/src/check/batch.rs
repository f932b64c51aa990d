//! Batches of records with what has to be known of each: computed on several
//! threads, in order.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Record, RecordBatch};
use repo_core::{CollectionSchema, Entity, EntityId, Result, UpgradePath};
use repo_layers::DocumentValidator;

use crate::check::reason::{breaks, rule_of};
use crate::copy::quarantine::{LeftOut, LeftOutContent, Quarantine};
use crate::ndjson;
use crate::past::{StoredVersion, stored_versions};
use crate::plan::references::{self, Reference};
use crate::prefetch::prefetch;
use crate::store_reference::{StoreReference, blocking, lanes};
use crate::upgrade::path;
use crate::verify::digest::Fingerprint;
use crate::verify::report::Depth;

/// What is computed of each batch, off the runtime's threads.
pub(crate) struct BatchChecks {
    pub(crate) schema: CollectionSchema,
    pub(crate) max_entity_bytes: usize,
    pub(crate) lines: bool,
    pub(crate) references: bool,
    /// What is compared of each record.
    pub(crate) depth: Depth,
    /// How documents become those that the target is to hold.
    pub(crate) upgrade: Option<Arc<UpgradePath>>,
    /// What these have to fit, where that is asked for.
    pub(crate) validator: Option<Arc<DocumentValidator>>,
}

/// A batch with what was computed of it.
#[derive(Default)]
pub(crate) struct CheckedBatch {
    /// As the target is to hold them.
    pub(crate) records: Vec<Record>,
    pub(crate) prints: Vec<Fingerprint>,
    /// Of the records as they were read, where that is something else.
    as_read: Option<Vec<Fingerprint>>,
    /// The records as they were read.
    pub(crate) lines: Vec<u8>,
    pub(crate) references: Vec<Reference>,
    pub(crate) offenders: Vec<Offender>,
    /// What the source cannot read.
    pub(crate) unreadable: Vec<LeftOut>,
}

impl CheckedBatch {
    /// What does not get into the target, with the reasons.
    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        let entry = |offender: &Offender| LeftOut {
            content: LeftOutContent::Record(offender.record.clone()),
            reason: offender.rule.clone(),
        };
        self.offenders.iter().map(entry).chain(self.unreadable.iter().cloned()).collect()
    }

    /// Adds what does not get into the target to the quarantine file, if there
    /// is one.
    pub(crate) async fn set_aside(
        &self,
        quarantine: &mut Option<Quarantine>,
        schema: &CollectionSchema,
    ) -> Result<()> {
        if let Some(open) = quarantine.take() {
            *quarantine = Some(open.add(schema, self.left_out()).await?);
        }
        Ok(())
    }

    /// What an archive of the lines adds up to, without what it cannot hold.
    pub(crate) fn archived(&self) -> impl Iterator<Item = &Fingerprint> {
        let left_out = |at| self.offenders.iter().any(|one| one.at == at && !one.archivable);
        let all = self.archived_prints().iter().enumerate();
        all.filter(move |(at, _)| !left_out(*at)).map(|(_, print)| print)
    }

    /// The records that are in the lines.
    pub(crate) fn archived_ids(&self) -> Vec<StoredVersion> {
        let left_out = |at| self.offenders.iter().any(|one| one.at == at && !one.archivable);
        let all = stored_versions(&self.records).into_iter().enumerate();
        all.filter(|(at, _)| !left_out(*at)).map(|(_, stored)| stored).collect()
    }

    /// The ids of what the target cannot hold.
    pub(crate) fn offending_ids(&self) -> impl Iterator<Item = &EntityId> {
        self.offenders.iter().filter_map(|one| Some(self.records.get(one.at)?.id()))
    }

    /// The same of every record.
    pub(crate) fn archived_prints(&self) -> &[Fingerprint] {
        self.as_read.as_deref().unwrap_or(&self.prints)
    }
}

/// A record that the target cannot hold.
pub(crate) struct Offender {
    /// Its place in the batch.
    pub(crate) at: usize,
    /// As it was read.
    record: Record,
    /// The rule that it breaks.
    pub(crate) rule: String,
    /// Whether its line says all of it. A document that does not carry its id
    /// is not complete in its line: it is in no archive.
    pub(crate) archivable: bool,
}

/// The records of a collection in batches, each looked at, in no order.
pub(crate) async fn checked_batches(
    side: &StoreReference,
    look: BatchChecks,
    batch_size: NonZeroUsize,
) -> Result<BoxStream<'static, Result<CheckedBatch>>> {
    let look = Arc::new(look);
    let scan = side.scan_all_batches(&look.schema.collection, batch_size, lanes()).await?;
    let batches = scan
        .map_ok(move |read| {
            let look = Arc::clone(&look);
            blocking(move || Ok(look.at(read)))
        })
        .try_buffered(lanes())
        .boxed();
    Ok(prefetch(batches))
}

impl BatchChecks {
    fn at(&self, read: RecordBatch) -> CheckedBatch {
        let mut batch = CheckedBatch {
            records: Vec::with_capacity(read.records.len()),
            prints: Vec::with_capacity(read.records.len()),
            as_read: self.has_other_lines().then(Vec::new),
            unreadable: read.unreadable.into_iter().map(LeftOut::from).collect(),
            ..CheckedBatch::default()
        };
        for (at, record) in read.records.into_iter().enumerate() {
            self.at_record(at, record, &mut batch);
        }
        batch
    }

    /// Whether what an archive holds adds up to something else than what is
    /// compared.
    fn has_other_lines(&self) -> bool {
        self.lines && (self.upgrade.is_some() || self.depth != Depth::Complete)
    }

    fn at_record(&self, at: usize, read: Record, batch: &mut CheckedBatch) {
        let (upgraded, mut broken) = self.upgrade(&read);
        let seen = upgraded.as_ref().unwrap_or(&read);
        if let Record::Live(entity) = seen {
            broken = broken.or_else(|| self.breaks(entity));
            if self.references {
                let (document, found) = (&entity.document, &mut batch.references);
                references::of_document(&self.schema, &entity.id, document, found);
            }
        }
        let archivable = !self.lines || self.add_line(&read, broken.is_some(), &mut batch.lines);
        if let Some(rule) = broken {
            batch.offenders.push(Offender { at, record: read.clone(), rule, archivable });
        }
        batch.prints.push(Fingerprint::to(self.depth, seen));
        if let Some(as_read) = &mut batch.as_read {
            as_read.push(Fingerprint::of(&read));
        }
        batch.records.push(upgraded.unwrap_or(read));
    }

    /// The record with its document upgraded, or why that cannot be; neither
    /// where it stays as it is.
    fn upgrade(&self, record: &Record) -> (Option<Record>, Option<String>) {
        let (Some(path), Record::Live(entity)) = (&self.upgrade, record) else {
            return (None, None);
        };
        match path::entity(path, entity) {
            Ok(upgraded) => (Some(Record::Live(upgraded)), None),
            Err(error) => (None, Some(rule_of(&error))),
        }
    }

    fn breaks(&self, entity: &Entity) -> Option<String> {
        breaks(&self.schema, entity, self.max_entity_bytes).or_else(|| {
            let checked = self.validator.as_ref()?.check(&entity.document);
            checked.err().map(|error| rule_of(&error))
        })
    }

    /// Appends the line of a record; false, and no line, where that does not
    /// say all of it.
    fn add_line(&self, record: &Record, doubtful: bool, lines: &mut Vec<u8>) -> bool {
        let before = lines.len();
        ndjson::write(record, &self.schema, lines);
        let archivable =
            || ndjson::parse(lines[before..].trim_ascii_end(), 1, &self.schema).is_ok();
        if doubtful && !archivable() {
            lines.truncate(before);
            return false;
        }
        true
    }
}
