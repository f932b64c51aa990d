//! Reading the documents of a collection some at a time.

use repo_core::{
    CollectionName, CollectionSchema, Document, Entity, EntityId, Result, Timestamp, Version,
};

use crate::documents::Documents;
use crate::identity;
use crate::store::{Store, collection};
use crate::table::Slot;

/// Documents read at once end when they exceed this, in bytes.
const MOST_BYTES: u64 = 8 * 1_024 * 1_024;

/// A document that another tool moved under our hands has another id.
pub(crate) fn check_id(
    schema: &CollectionSchema,
    id: &EntityId,
    document: &Document,
    documents: &Documents,
    slot: &Slot,
) -> Result<()> {
    match schema.id_of(document) {
        Ok(found) if found == *id => Ok(()),
        _ => Err(identity::of_document(schema, id, document)
            .unwrap_or_else(|| documents.misplaced(slot))),
    }
}

/// Live entities of one chunk of records.
pub(crate) struct Chunk {
    pub(crate) entities: Vec<Entity>,
    /// The last id that was looked at; `None` at the end.
    pub(crate) last: Option<Box<str>>,
}

/// Reads the live entities of `slots`.
pub(crate) fn entities(
    store: &Store,
    name: &CollectionName,
    documents: &Documents,
    found: Vec<(Box<str>, Slot)>,
) -> Result<Vec<Entity>> {
    let schema = store.env.schema(name);
    let slots: Vec<Slot> = found.iter().map(|(_, slot)| *slot).collect();
    let read = documents.read_all(&slots)?;
    let entity = |((id, slot), document): ((Box<str>, Slot), Document)| {
        let id = EntityId::new(&id)?;
        check_id(&schema, &id, &document, documents, &slot)?;
        Ok(Entity {
            collection: name.clone(),
            id,
            version: Version::new(slot.version)?,
            created_at: Timestamp::from_micros(slot.created_at)?,
            updated_at: Timestamp::from_micros(slot.updated_at)?,
            document,
        })
    };
    found.into_iter().zip(read).map(entity).collect()
}

/// Takes slots until there are `most`, or their documents are large.
pub(crate) struct Taken {
    pub(crate) slots: Vec<(Box<str>, Slot)>,
    bytes: u64,
    most: usize,
}

impl Taken {
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Vec::new(), bytes: 0, most }
    }

    /// Adds one; `false` when no more fits.
    pub(crate) fn add(&mut self, id: &str, slot: &Slot) -> bool {
        self.slots.push((id.into(), *slot));
        self.bytes += u64::from(slot.len);
        self.slots.len() < self.most && self.bytes < MOST_BYTES
    }
}

/// The next chunk of live entities after an id, in the order of the ids.
pub(crate) fn next_chunk(
    store: &Store,
    operation: &'static str,
    name: &CollectionName,
    after: Option<&str>,
    most: usize,
) -> Result<Chunk> {
    let state = store.state();
    let found = collection(&store.env, &state, operation, name)?;
    let documents = state.documents(&store.env, found);
    let mut taken = Taken::new(most);
    let mut last = None;
    for (id, slot, _) in found.table.after(after).filter(|(_, slot, _)| slot.is_live()) {
        if !taken.add(id, slot) {
            last = Some(id.into());
            break;
        }
    }
    drop(state);
    Ok(Chunk { entities: entities(store, name, &documents, taken.slots)?, last })
}
