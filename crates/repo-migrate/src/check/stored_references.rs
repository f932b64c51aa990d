//! References from one collection to another, checked a batch at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use repo_core::strategy::{Record, StorageStrategy};
use repo_core::{CollectionName, CollectionSchema, Entity, EntityId, FieldPath, Result};

use super::finding::{Finding, Problem};

/// Most entities read by one call: an array field may hold many ids.
const READ_AT_ONCE: usize = 1_000;

/// The references that a collection declares.
#[derive(Debug)]
pub(super) struct StoredReferences {
    schema: CollectionSchema,
    /// Which field refers to which collection, and whether that one is prepared.
    fields: Vec<(FieldPath, CollectionName, bool)>,
}

/// One field of one entity that refers to something.
struct Reference<'a> {
    entity: &'a Entity,
    field: &'a FieldPath,
    to: &'a CollectionName,
    id: String,
}

impl StoredReferences {
    /// `prepared` are the collections of the store: a reference to another one
    /// dangles.
    pub(super) fn new(schema: &CollectionSchema, prepared: &[CollectionName]) -> Self {
        let fields = schema.references.iter();
        Self {
            schema: schema.clone(),
            fields: fields
                .map(|(field, to)| (field.clone(), to.clone(), prepared.contains(to)))
                .collect(),
        }
    }

    /// The references of a batch that nothing meets. One read a collection.
    pub(super) async fn dangling(
        &self,
        store: &dyn StorageStrategy,
        entities: &[Entity],
    ) -> Result<Vec<Finding>> {
        let references: Vec<Reference<'_>> =
            entities.iter().flat_map(|entity| self.of(entity)).collect();
        let live = self.live(store, &references).await?;
        Ok(references
            .into_iter()
            .filter(|r| !live.contains(&(r.to.clone(), r.id.clone())))
            .map(|r| Finding {
                collection: r.entity.collection.to_string(),
                id: r.entity.id.to_string(),
                problem: Problem::DanglingReference,
                pointer: r.field.to_pointer(),
                detail: format!("{}/{} is not there", r.to, r.id),
            })
            .collect())
    }

    fn of<'a>(&'a self, entity: &'a Entity) -> impl Iterator<Item = Reference<'a>> {
        self.fields.iter().flat_map(move |(field, to, _)| {
            self.schema.referred_ids(field, &entity.document).into_iter().map(move |id| Reference {
                entity,
                field,
                to,
                id,
            })
        })
    }

    /// Those of the ids referred to that are there.
    async fn live(
        &self,
        store: &dyn StorageStrategy,
        references: &[Reference<'_>],
    ) -> Result<HashSet<(CollectionName, String)>> {
        let mut wanted: BTreeMap<&CollectionName, BTreeSet<EntityId>> = BTreeMap::new();
        for reference in references {
            let prepared = self.fields.iter().any(|(_, to, made)| to == reference.to && *made);
            // What cannot be an id is not there, whatever the store says.
            if let (true, Ok(id)) = (prepared, EntityId::new(&reference.id)) {
                wanted.entry(reference.to).or_default().insert(id);
            }
        }
        let mut live = HashSet::new();
        for (collection, ids) in wanted {
            let ids: Vec<EntityId> = ids.into_iter().collect();
            for ids in ids.chunks(READ_AT_ONCE) {
                let records = store.get_many(collection, ids).await?;
                let found = ids.iter().zip(records);
                live.extend(
                    found
                        .filter(|(_, record)| record.as_ref().is_some_and(Record::is_live))
                        .map(|(id, _)| (collection.clone(), id.to_string())),
                );
            }
        }
        Ok(live)
    }
}
