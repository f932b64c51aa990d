//! A table of another program as one collection.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeyType, ScalarAttributeType, TableDescription};
use repo_core::{CollectionSchema, EntityId};

use crate::item::{Item, text};

/// A table whose items are read.
#[derive(Debug)]
pub(super) struct ItemTable {
    pub(super) schema: CollectionSchema,
    pub(super) name: String,
    /// The attribute that is its key.
    pub(super) key: String,
}

impl ItemTable {
    /// A table as DynamoDB describes it.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(super) fn new(
        schema: CollectionSchema,
        name: String,
        found: &TableDescription,
    ) -> Result<Self, String> {
        let named = |why: &str| format!("the table {name:?} {why}");
        let [key] = found.key_schema() else {
            return Err(named("has a sort key, so that its partition key is no id"));
        };
        if key.key_type() != &KeyType::Hash {
            return Err(named("has no partition key that is an id"));
        }
        let is_text = found.attribute_definitions().iter().any(|attribute| {
            attribute.attribute_name() == key.attribute_name()
                && attribute.attribute_type() == &ScalarAttributeType::S
        });
        if !is_text {
            return Err(named("has ids that are no text"));
        }
        let key = key.attribute_name().to_owned();
        Ok(Self { schema, name, key })
    }

    /// The key of an item.
    pub(super) fn key_of(&self, id: &EntityId) -> Item {
        HashMap::from([(self.key.clone(), text(id.as_str()))])
    }
}
