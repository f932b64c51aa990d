//! References that lead nowhere. Reported, never refused: a store may well
//! have lived with them for years.

use std::collections::{BTreeSet, HashSet};

use repo_core::{CollectionName, CollectionSchema, Document, EntityId, FieldPath, Result, Value};

use crate::report::{DanglingReference, DanglingReferences};
use crate::store_reference::{HeldRecord, StoreReference};

/// Most examples of one field.
const MAX_EXAMPLES: usize = 20;
/// Most ids that are remembered as found. Many entities refer to few others,
/// so remembering some saves most of the reads.
const MAX_REMEMBERED: usize = 20_000;

/// One reference of a document: which field, from whom, to whom.
#[derive(Debug)]
pub(crate) struct Reference {
    field: usize,
    from: EntityId,
    to: String,
}

/// The references of a document, by the order of the schema's fields.
pub(crate) fn of_document(
    schema: &CollectionSchema,
    id: &EntityId,
    document: &Document,
    out: &mut Vec<Reference>,
) {
    for (field, path) in schema.references.keys().enumerate() {
        if let Some(Value::String(to)) = document.get(path) {
            out.push(Reference { field, from: id.clone(), to });
        }
    }
}

/// Looks up the references of one collection.
#[derive(Debug)]
pub(crate) struct ReferenceCheck {
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    path: FieldPath,
    target: CollectionName,
    target_is_there: bool,
    /// Whether it is looked up at all: what was not chosen is not opened.
    is_checked: bool,
    found: HashSet<String>,
    count: u64,
    first: Vec<DanglingReference>,
}

impl ReferenceCheck {
    /// For the references of `schema` within a store that has `prepared`, as
    /// far as they lead into `chosen` collections.
    pub(crate) fn new(
        schema: &CollectionSchema,
        prepared: impl Fn(&CollectionName) -> bool,
        chosen: impl Fn(&CollectionName) -> bool,
    ) -> Self {
        let fields = schema.references.iter().map(|(path, target)| Field {
            path: path.clone(),
            target: target.clone(),
            target_is_there: prepared(target),
            is_checked: chosen(target),
            found: HashSet::new(),
            count: 0,
            first: Vec::new(),
        });
        Self { fields: fields.collect() }
    }

    /// Looks up the references of one batch: one read for each field.
    pub(crate) async fn check(
        &mut self,
        source: &StoreReference,
        batch: &[Reference],
    ) -> Result<()> {
        for (number, field) in self.fields.iter_mut().enumerate().filter(|(_, f)| f.is_checked) {
            let references: Vec<&Reference> =
                batch.iter().filter(|reference| reference.field == number).collect();
            field.look_up(source, &references).await?;
            for reference in references {
                if !field.found.contains(&reference.to) {
                    field.dangling(reference);
                }
            }
        }
        Ok(())
    }

    /// What was found.
    pub(crate) fn finish(self) -> Vec<DanglingReferences> {
        self.fields
            .into_iter()
            .filter(|field| field.count > 0)
            .map(|field| DanglingReferences {
                field: field.path.to_string(),
                refers_to: field.target,
                count: field.count,
                first: field.first,
            })
            .collect()
    }
}

impl Field {
    async fn look_up(&mut self, source: &StoreReference, references: &[&Reference]) -> Result<()> {
        if !self.target_is_there {
            return Ok(());
        }
        if self.found.len() > MAX_REMEMBERED {
            self.found.clear();
        }
        let unknown: BTreeSet<&str> = references
            .iter()
            .map(|reference| reference.to.as_str())
            .filter(|to| !self.found.contains(*to))
            .collect();
        // What is no id cannot be there.
        let ids: Vec<EntityId> =
            unknown.into_iter().filter_map(|to| EntityId::new(to).ok()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        for (id, held) in ids.iter().zip(source.held(&self.target, &ids).await?) {
            // What cannot be read is there all the same.
            let is_there = match held {
                HeldRecord::Nothing => false,
                HeldRecord::Record(record) => record.is_live(),
                HeldRecord::Unreadable => true,
            };
            if is_there {
                self.found.insert(id.to_string());
            }
        }
        Ok(())
    }

    fn dangling(&mut self, reference: &Reference) {
        self.count += 1;
        if self.first.len() < MAX_EXAMPLES {
            self.first.push(DanglingReference {
                id: reference.from.to_string(),
                missing: reference.to.clone(),
            });
        }
    }
}
