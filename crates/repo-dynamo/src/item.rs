//! Records as items and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::{Record, Tombstone};
use repo_core::{
    DEFAULT_MAX_ENTITY_BYTES, Document, Entity, EntityId, Error, ErrorKind, Result, Timestamp,
    Version,
};

use crate::layout::{CREATED, DOCUMENT, GENERATION, Layout, PURGED, UPDATED, VERSION};
use crate::value::{to_attribute, to_json};

/// The attributes of one item by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Most bytes of one item (Amazon DynamoDB Developer Guide, "Quotas").
pub(crate) const MAX_ITEM_BYTES: usize = 400 * 1_024;

/// A number attribute needs at most 21 bytes.
const NUMBER_BYTES: usize = 21;

/// Text as an attribute.
pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number as an attribute.
pub(crate) fn number(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The key of an item.
pub(crate) fn key(layout: &Layout, id: &EntityId) -> Item {
    Item::from([(layout.id_name().to_owned(), text(id.as_str()))])
}

/// A document as the attribute that holds it.
pub(crate) fn document_attribute(document: &Document) -> AttributeValue {
    to_attribute(document.to_value())
}

/// The derived strings of a document for every index of the layout.
pub(crate) fn index_attributes(
    layout: &Layout,
    id: &EntityId,
    document: &Document,
) -> Vec<(String, String)> {
    let both = layout.indexes.iter().flat_map(|index| {
        let place = index.place(id, document);
        [(index.hash.clone(), place.hash), (index.range.clone(), place.range)]
    });
    both.collect()
}

/// The whole item of a record.
pub(crate) fn item_of(layout: &Layout, record: &Record) -> Item {
    let mut item = key(layout, record.id());
    item.insert(VERSION.to_owned(), number(record.version()));
    item.insert(UPDATED.to_owned(), text(record.updated_at().to_string()));
    item.insert(GENERATION.to_owned(), number(layout.generation));
    if let Record::Live(entity) = record {
        item.insert(CREATED.to_owned(), text(entity.created_at.to_string()));
        item.insert(DOCUMENT.to_owned(), document_attribute(&entity.document));
        let derived = index_attributes(layout, &entity.id, &entity.document);
        item.extend(derived.into_iter().map(|(name, value)| (name, text(value))));
    }
    item
}

/// The bytes of the item that holds a document, by DynamoDB's formula: names
/// and values of all attributes.
pub(crate) fn item_bytes(layout: &Layout, id: &EntityId, document: Option<&Document>) -> usize {
    let fixed = layout.id_name().len()
        + id.as_str().len()
        + [VERSION, UPDATED, CREATED, GENERATION].iter().map(|name| name.len()).sum::<usize>()
        + 2 * NUMBER_BYTES
        + 2 * Timestamp::from(std::time::SystemTime::UNIX_EPOCH).to_string().len();
    let Some(document) = document else { return fixed };
    let derived = index_attributes(layout, id, document);
    let derived: usize = derived.iter().map(|(name, value)| name.len() + value.len()).sum();
    fixed + DOCUMENT.len() + document.size() + derived
}

/// Refuses a document that no item holds: one above the limit that every store
/// has, whatever the configuration raised, or one whose index strings make the
/// item larger than DynamoDB takes.
///
/// # Errors
/// `LimitExceeded`.
pub(crate) fn check_size(
    operation: &'static str,
    layout: &Layout,
    id: &EntityId,
    document: &Document,
) -> Result<usize> {
    let exceeded = |what: &str, bytes: usize, limit: usize| {
        Error::new(ErrorKind::LimitExceeded, operation, what)
            .with("collection", &layout.schema.collection)
            .with("id", id)
            .with("bytes", bytes)
            .with("limit", limit)
    };
    if document.size() > DEFAULT_MAX_ENTITY_BYTES {
        let what = "the document is larger than DynamoDB holds";
        return Err(exceeded(what, document.size(), DEFAULT_MAX_ENTITY_BYTES)
            .hint("limits.max_entity_bytes raises nothing here: shorten the document"));
    }
    let bytes = item_bytes(layout, id, Some(document));
    if bytes <= MAX_ITEM_BYTES {
        return Ok(bytes);
    }
    Err(exceeded("the item is larger than DynamoDB holds", bytes, MAX_ITEM_BYTES)
        .hint("shorten the document or the text in its indexed fields"))
}

/// What an item says of its id, without the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No item.
    Nothing,
    /// What remains of a purged tombstone; no record.
    Purged(Version),
    /// A tombstone.
    Tombstone(Version),
    /// A live entity and when it was created.
    Live(Version, Timestamp),
}

impl State {
    /// The state that an item is in.
    ///
    /// # Errors
    /// `Corrupt` for an item that is not of ours.
    pub(crate) fn of(layout: &Layout, item: Option<&Item>) -> Result<Self> {
        let Some(item) = item else { return Ok(Self::Nothing) };
        let version = version(layout, item)?;
        if item.contains_key(PURGED) {
            return Ok(Self::Purged(version));
        }
        if !item.contains_key(CREATED) {
            return Ok(Self::Tombstone(version));
        }
        Ok(Self::Live(version, timestamp(layout, item, CREATED)?))
    }

    /// The version of the live entity.
    pub(crate) fn live(self) -> Option<Version> {
        match self {
            Self::Live(version, _) => Some(version),
            _ => None,
        }
    }

    /// The version of the record, live or not.
    pub(crate) fn recorded(self) -> Option<Version> {
        match self {
            Self::Live(version, _) | Self::Tombstone(version) => Some(version),
            Self::Nothing | Self::Purged(_) => None,
        }
    }
}

/// The generation of indexes that an item was written for.
pub(crate) fn generation(item: &Item) -> u64 {
    match item.get(GENERATION) {
        Some(AttributeValue::N(text)) => text.parse().unwrap_or(u64::MAX),
        _ => 0,
    }
}

/// The record of an item; `None` for what remains of a purged one.
///
/// # Errors
/// `Corrupt` for an item that is not of ours.
pub(crate) fn record_of(layout: &Layout, item: &Item) -> Result<Option<Record>> {
    let id = id_of(layout, item)?;
    let collection = layout.schema.collection.clone();
    let updated_at = || timestamp(layout, item, UPDATED);
    Ok(match State::of(layout, Some(item))? {
        State::Nothing | State::Purged(_) => None,
        State::Tombstone(version) => Some(Record::Tombstone(Tombstone {
            collection,
            id,
            version,
            deleted_at: updated_at()?,
        })),
        State::Live(version, created_at) => Some(Record::Live(Entity {
            collection,
            id,
            version,
            created_at,
            updated_at: updated_at()?,
            document: document(layout, item)?,
        })),
    })
}

/// The id of an item.
pub(crate) fn id_of(layout: &Layout, item: &Item) -> Result<EntityId> {
    match item.get(layout.id_name()) {
        Some(AttributeValue::S(id)) => EntityId::new(id).map_err(|source| {
            corrupt(layout, item, "the key of an item is no id").caused_by(source)
        }),
        _ => Err(corrupt(layout, item, "an item has no id")),
    }
}

fn version(layout: &Layout, item: &Item) -> Result<Version> {
    let number = match item.get(VERSION) {
        Some(AttributeValue::N(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    number
        .and_then(|number| Version::new(number).ok())
        .ok_or_else(|| corrupt(layout, item, "an item has no version"))
}

fn timestamp(layout: &Layout, item: &Item, name: &'static str) -> Result<Timestamp> {
    let parsed = match item.get(name) {
        Some(AttributeValue::S(text)) => Timestamp::parse(text).ok(),
        _ => None,
    };
    parsed.ok_or_else(|| {
        corrupt(layout, item, "an attribute of an item is no timestamp").with("attribute", name)
    })
}

fn document(layout: &Layout, item: &Item) -> Result<Document> {
    let attribute = item.get(DOCUMENT).ok_or_else(|| corrupt(layout, item, "no document"))?;
    let json = to_json(attribute)
        .map_err(|what| corrupt(layout, item, "a document holds no JSON").with("found", what))?;
    Document::parse(&json).map_err(|source| {
        corrupt(layout, item, "a document breaks a rule").with("rule", source.message())
    })
}

/// What a request that named some fields only answered of a document: nothing, where the
/// document has none of them.
///
/// # Errors
/// `Corrupt` for an item that is not of ours.
pub(crate) fn seen_document(layout: &Layout, item: &Item) -> Result<Document> {
    if item.contains_key(DOCUMENT) { document(layout, item) } else { Document::parse("{}") }
}

fn corrupt(layout: &Layout, item: &Item, what: &str) -> Error {
    let id = match item.get(layout.id_name()) {
        Some(AttributeValue::S(id)) => id.as_str(),
        _ => "unknown",
    };
    Error::new(ErrorKind::Corrupt, "read an item", what)
        .with("table", &layout.table)
        .with("id", id)
        .hint("another program wrote this item; restore it from a backup or delete it")
}
