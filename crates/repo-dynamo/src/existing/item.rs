//! An item of another program as a record: each attribute is the field of its name. A
//! value that has no form in JSON makes the record unreadable, and the error names the
//! table, the id, the attribute and why.

use aws_sdk_dynamodb::types::AttributeValue;
use repo_core::strategy::{Record, UnreadableRecord, push_json_string};
use repo_core::{Document, Entity, EntityId, Error, ErrorKind, Key, Result, Timestamp, Version};

use super::table::ItemTable;
use crate::item::Item;
use crate::value::{as_stored, push_foreign};

/// An item that is no record.
#[derive(Debug)]
pub(super) enum Unread {
    /// It cannot be read as one.
    Item(UnreadableRecord),
    /// Its key is no id, so nothing says which record it is.
    WithoutId(Error),
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Item(item) => item.error,
            Unread::WithoutId(error) => error,
        }
    }
}

/// The record of an item, version 1, with `time` as its times.
///
/// # Errors
/// `Corrupt`, naming the item, when it cannot be read.
pub(super) fn record(table: &ItemTable, time: Timestamp, item: &Item) -> Result<Record, Unread> {
    let id = id_of(table, item).map_err(Unread::WithoutId)?;
    let document = match document(table, &id, item) {
        Ok(document) => document,
        Err(why) => return Err(Unread::Item(unreadable(table, &id, item, why))),
    };
    Ok(Record::Live(Entity {
        collection: table.schema.collection.clone(),
        id,
        version: Version::FIRST,
        created_at: time,
        updated_at: time,
        document,
    }))
}

fn id_of(table: &ItemTable, item: &Item) -> Result<EntityId> {
    let no_id = |why: &str| {
        broken(table, "an item has no id that can be used")
            .with("attribute", &table.key)
            .with("reason", why)
            .hint("give the item an id, or remove it, and run again")
    };
    match item.get(&table.key) {
        Some(AttributeValue::S(id)) => EntityId::new(id).map_err(|error| no_id(error.message())),
        _ => Err(no_id("it is no text")),
    }
}

/// Why an item is no document, and by which attribute.
struct Why {
    attribute: Option<String>,
    pointer: Option<String>,
    reason: String,
}

impl Why {
    fn of(attribute: &str, reason: impl Into<String>) -> Self {
        Self { attribute: Some(attribute.to_owned()), pointer: None, reason: reason.into() }
    }
}

/// The attributes as a document. The key becomes the id field, where that has another
/// name and the item does not hold it already.
fn document(table: &ItemTable, id: &EntityId, item: &Item) -> Result<Document, Why> {
    let id_name = table.schema.id_name();
    if table.key != id_name
        && let Some(own) = item.get(id_name)
        && own.as_s().ok().map(String::as_str) != Some(id.as_str())
    {
        return Err(Why::of(id_name, format!("it differs from the key, {}", table.key)));
    }
    let mut names: Vec<&String> =
        item.keys().filter(|name| **name != table.key && *name != id_name).collect();
    // DynamoDB gives attributes in no order.
    names.sort_unstable();
    let mut text = String::from("{");
    push_json_string(&mut text, id_name);
    text.push(':');
    push_json_string(&mut text, id.as_str());
    for name in names {
        let Some(value) = item.get(name) else { continue };
        text.push(',');
        push_json_string(&mut text, name);
        text.push(':');
        push_foreign(&mut text, value)
            .map_err(|what| Why::of(name, format!("it holds {what}, which JSON cannot say")))?;
    }
    text.push('}');
    Document::read(&text).map_err(|error| Why {
        attribute: None,
        pointer: Some(error.pointer),
        reason: error.rule.to_string(),
    })
}

fn broken(table: &ItemTable, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a table of another program", what)
        .with("table", &table.name)
        .with("collection", &table.schema.collection)
}

/// An item that cannot be read. The error does not show the value: it may be long, or a
/// secret.
fn unreadable(table: &ItemTable, id: &EntityId, item: &Item, why: Why) -> UnreadableRecord {
    let collection = table.schema.collection.clone();
    let error = broken(table, "an item cannot be read as a document")
        .with("key", Key::new(collection.clone(), id.clone()));
    let error = match why.attribute {
        Some(attribute) => error.with("attribute", attribute),
        None => error,
    };
    let error = match why.pointer {
        Some(pointer) => error.with("pointer", pointer),
        None => error,
    };
    let error = error
        .with("reason", why.reason)
        .hint("repair or remove the attribute with the program that wrote it");
    let stored = as_stored(item).to_string().into_bytes();
    UnreadableRecord::new(collection, id.as_str(), Some(stored), error)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue as A;
    use repo_core::CollectionSchema;

    use super::*;

    fn table(key: &str) -> ItemTable {
        let schema = CollectionSchema::builder("machines", "machine_id").build().unwrap();
        ItemTable { schema, name: "hf-machines".to_owned(), key: key.to_owned() }
    }

    fn read(key: &str, attributes: &[(&str, A)]) -> Result<String> {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let time = Timestamp::from_micros(0).unwrap();
        let record = record(&table(key), time, &item.collect())?;
        assert_eq!(record.version(), Version::FIRST);
        Ok(record.document().unwrap().to_string())
    }

    fn s(text: &str) -> A {
        A::S(text.to_owned())
    }

    #[test]
    fn attributes_are_fields_and_the_key_is_the_id() {
        let attributes = [
            ("id", s("m-1")),
            ("machine_id", s("m-1")),
            ("price", A::N("0.072154".to_owned())),
            ("big", A::N("1E+2".to_owned())),
            ("none", A::Null(true)),
            ("tags", A::Ss(vec!["b".to_owned(), "a".to_owned()])),
            ("sizes", A::Ns(vec!["10".to_owned(), "9.50".to_owned(), "-1".to_owned()])),
            ("deep", A::M([("x".to_owned(), A::L(vec![A::Bool(true)]))].into())),
        ];
        let expected = concat!(
            r#"{"machine_id":"m-1","big":1E+2,"deep":{"x":[true]},"none":null,"#,
            r#""price":0.072154,"sizes":[-1,9.5,10],"tags":["a","b"]}"#
        );
        assert_eq!(read("id", &attributes).unwrap(), expected);
        let only = [("id", s("m-1"))];
        assert_eq!(read("id", &only).unwrap(), r#"{"machine_id":"m-1"}"#);
        let own = [("machine_id", s("m-1")), ("id", s("other"))];
        assert_eq!(read("machine_id", &own).unwrap(), r#"{"machine_id":"m-1","id":"other"}"#);
    }

    #[test]
    fn what_is_no_document_is_named_by_its_attribute() {
        for (attributes, place, named) in [
            (vec![("id", s("m")), ("machine_id", s("n"))], "attribute", "machine_id"),
            (vec![("id", s("m")), ("machine_id", A::Null(true))], "attribute", "machine_id"),
            (vec![("id", s("m")), ("key", A::B(Blob::new([1])))], "attribute", "key"),
            (vec![("id", s("m")), ("keys", A::Bs(vec![Blob::new([1])]))], "attribute", "keys"),
            (vec![("id", s("m")), ("_version", A::N("1".to_owned()))], "pointer", "/_version"),
            (vec![("id", s("m")), ("a", s("\0"))], "pointer", "/a"),
            (vec![("id", A::N("1".to_owned()))], "attribute", "id"),
            (vec![("id", s(&"x".repeat(256)))], "attribute", "id"),
        ] {
            let error = read("id", &attributes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert_eq!(error.context_value(place), Some(named), "{error}");
            assert_eq!(error.context_value("table"), Some("hf-machines"));
        }
    }
}
