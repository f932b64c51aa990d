//! What the table of older versions holds, as items and back.

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::{OlderState, OlderVersion};
use repo_core::{
    CollectionName, Document, EntityId, Error, ErrorKind, Key, Result, Timestamp, Version,
};

use crate::item::{Item, document_attribute, number, text};
use crate::layout::{CREATED, DOCUMENT, PURGED, RECORD_OF_KEY, REMOVED, UPDATED, VERSION};
use crate::value::to_json;

/// The partition of a record in a history.
pub(super) fn partition(history: u64, collection: &CollectionName, id: &EntityId) -> String {
    // No name of a collection holds a `#`.
    format!("{history}.{collection}#{id}")
}

/// The history of an item.
pub(super) fn history_of(item: &Item) -> Option<u64> {
    let partition = item.get(RECORD_OF_KEY)?.as_s().ok()?;
    partition.split_once('.')?.0.parse().ok()
}

/// The key of a version.
pub(super) fn key_of(
    history: u64,
    collection: &CollectionName,
    id: &EntityId,
    version: Version,
) -> Item {
    Item::from([
        (RECORD_OF_KEY.to_owned(), text(partition(history, collection, id))),
        (VERSION.to_owned(), number(version)),
    ])
}

/// The key of what says who wrote a version.
pub(super) fn attribution_key(
    history: u64,
    collection: &CollectionName,
    id: &EntityId,
    version: Version,
) -> Item {
    // No name of a collection holds a dot.
    let partition = format!("{history}.by.{collection}#{id}");
    Item::from([(RECORD_OF_KEY.to_owned(), text(partition)), (VERSION.to_owned(), number(version))])
}

/// What is kept of an item that is replaced; `None` for one that is no record.
pub(super) fn kept_item(history: u64, key: &Key, replaced: &Item) -> Option<Item> {
    if replaced.contains_key(PURGED) {
        return None;
    }
    let partition = partition(history, &key.collection, &key.id);
    let mut item = Item::from([(RECORD_OF_KEY.to_owned(), text(partition))]);
    item.insert(VERSION.to_owned(), replaced.get(VERSION)?.clone());
    for name in [UPDATED, CREATED, DOCUMENT] {
        if let Some(value) = replaced.get(name) {
            item.insert(name.to_owned(), value.clone());
        }
    }
    Some(item)
}

/// The item of a version that is added.
pub(super) fn added_item(history: u64, collection: &CollectionName, added: &OlderVersion) -> Item {
    let mut item = key_of(history, collection, &added.id, added.version);
    item.insert(UPDATED.to_owned(), text(added.updated_at.to_string()));
    match &added.state {
        OlderState::Live { created_at, document } => {
            item.insert(CREATED.to_owned(), text(created_at.to_string()));
            item.insert(DOCUMENT.to_owned(), document_attribute(document));
        }
        OlderState::Deleted => {}
        OlderState::Removed => drop(item.insert(REMOVED.to_owned(), AttributeValue::Bool(true))),
    }
    item
}

/// A version as it is stored.
///
/// # Errors
/// `Corrupt`.
pub(super) fn older_of(id: &EntityId, item: &Item) -> Result<OlderVersion> {
    let corrupt = |what| {
        Error::new(ErrorKind::Corrupt, "read the history", what)
            .with("id", id)
            .with("version", shown(item))
            .hint("another program wrote this item; restore it from a backup or delete it")
    };
    let time = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => Timestamp::parse(text).ok(),
        _ => None,
    };
    let version = version_of(item).ok_or_else(|| corrupt("an older version has no number"))?;
    let updated_at = time(UPDATED).ok_or_else(|| corrupt("an older version has no time"))?;
    let state = if item.contains_key(REMOVED) {
        OlderState::Removed
    } else if item.contains_key(CREATED) {
        let created_at = time(CREATED).ok_or_else(|| corrupt("an older version has no time"))?;
        let document = item.get(DOCUMENT).and_then(|value| to_json(value).ok());
        let document = document.and_then(|json| Document::parse(&json).ok());
        let document =
            document.ok_or_else(|| corrupt("the document of an older version is none"))?;
        OlderState::Live { created_at, document }
    } else {
        OlderState::Deleted
    };
    Ok(OlderVersion::new(id.clone(), version, updated_at, state))
}

fn version_of(item: &Item) -> Option<Version> {
    let number = item.get(VERSION)?.as_n().ok()?.parse().ok()?;
    Version::new(number).ok()
}

fn shown(item: &Item) -> &str {
    match item.get(VERSION) {
        Some(AttributeValue::N(number)) => number,
        _ => "unknown",
    }
}
