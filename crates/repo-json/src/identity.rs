//! Whether a collection's documents hold their ids where its schema says.
//!
//! The files tell by a fingerprint that something of a schema is new, not
//! what; a few documents tell whether it is the id field.

use std::collections::{BTreeMap, BTreeSet};

use repo_core::{CollectionSchema, Document, EntityId, Error, ErrorKind, Result};
use serde_json::Value as Json;

use crate::env::{Env, shape_of};
use crate::state::State;
use crate::table::Slot;

/// Most documents that are looked at.
const MOST_DOCUMENTS: usize = 32;

/// Refuses a schema with another id field than the documents were stored with.
///
/// # Errors
/// `ConfigInvalid`, with both fields.
pub(crate) fn check(
    env: &Env,
    operation: &'static str,
    state: &State,
    schema: &CollectionSchema,
) -> Result<()> {
    let Some(found) = state.collections.get(&schema.collection) else { return Ok(()) };
    if found.shape == shape_of(schema) {
        return Ok(());
    }
    let live = found.table.after(None).filter(|(_, slot, _)| slot.is_live());
    let (ids, slots): (Vec<Box<str>>, Vec<Slot>) =
        live.take(MOST_DOCUMENTS).map(|(id, slot, _)| (Box::from(id), *slot)).unzip();
    let documents = state.documents(env, found).read_all(&slots)?;
    let Some(stored) = id_fields(&ids, &documents) else { return Ok(()) };
    if stored.contains(schema.id_name()) {
        return Ok(());
    }
    Err(another_field(operation, schema, stored).with("store", &env.location))
}

/// The error for a document that holds its id, in another field than the schema says; `None`
/// when it does not.
pub(crate) fn of_document(
    schema: &CollectionSchema,
    id: &EntityId,
    document: &Document,
) -> Option<Error> {
    let stored = id_fields(&[Box::from(id.as_str())], std::slice::from_ref(document))?;
    Some(another_field("read a document", schema, stored).with("id", id))
}

fn another_field(
    operation: &'static str,
    schema: &CollectionSchema,
    stored: BTreeSet<String>,
) -> Error {
    let why = "the collection was prepared with another id field than its schema declares";
    Error::new(ErrorKind::ConfigInvalid, operation, why)
        .with("collection", &schema.collection)
        .with("stored", stored.into_iter().collect::<Vec<_>>().join(" or "))
        .with("declared", &schema.id_field)
        .hint("use the schema it was prepared with, or another folder")
}

/// The fields at the top that hold the id in each of the documents. `None`
/// when there is none: a file that was edited is refused when it is read.
fn id_fields(ids: &[Box<str>], documents: &[Document]) -> Option<BTreeSet<String>> {
    let mut fields: Option<BTreeSet<String>> = None;
    for (id, document) in ids.iter().zip(documents) {
        let top: BTreeMap<String, Json> = document.deserialize().ok()?;
        let holds = |name: &str| top.get(name).and_then(Json::as_str) == Some(id);
        match &mut fields {
            Some(fields) => fields.retain(|name| holds(name)),
            None => fields = Some(top.keys().filter(|name| holds(name)).cloned().collect()),
        }
    }
    fields.filter(|fields| !fields.is_empty())
}
