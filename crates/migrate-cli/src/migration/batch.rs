//! Batches of records with what has to be known of each: computed on several
//! threads, in order.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use repo_core::{CollectionSchema, EntityId, Error, Record, Result, Segment};

use super::digest::Fingerprint;
use super::lines;
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
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) prints: Vec<Fingerprint>,
    pub(super) lines: Vec<u8>,
    pub(super) references: Vec<Reference>,
    pub(super) offenders: Vec<(EntityId, String)>,
}

/// The records of a collection in batches, each looked at.
pub(super) async fn looked_at(
    side: &Side,
    look: Look,
    batch_size: NonZeroUsize,
) -> Result<impl futures::Stream<Item = Result<Batch>>> {
    let look = Arc::new(look);
    let scan = side.scan(&look.schema.collection, Segment::ALL, batch_size).await?;
    Ok(scan
        .map_ok(move |records| {
            let look = Arc::clone(&look);
            blocking(move || Ok(look.at(records)))
        })
        .try_buffered(lanes())
        .boxed())
}

impl Look {
    fn at(&self, records: Vec<Record>) -> Batch {
        let mut batch = Batch {
            prints: records.iter().map(Fingerprint::of).collect(),
            records: Vec::new(),
            lines: Vec::new(),
            references: Vec::new(),
            offenders: Vec::new(),
        };
        for record in &records {
            self.at_record(record, &mut batch);
        }
        batch.records = records;
        batch
    }

    fn at_record(&self, record: &Record, batch: &mut Batch) {
        if let Record::Live(entity) = record {
            let document = &entity.document;
            match self.schema.check_document(&entity.id, document, self.max_entity_bytes) {
                Ok(()) => {}
                Err(error) => batch.offenders.push((entity.id.clone(), rule_of(&error))),
            }
            if self.references {
                let found = &mut batch.references;
                references::of_document(&self.schema, &entity.id, document, found);
            }
        }
        if self.lines {
            lines::write(record, &self.schema, &mut batch.lines);
        }
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
