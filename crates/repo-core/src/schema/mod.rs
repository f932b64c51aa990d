//! Collections as their JSON Schema files declare them.

mod builder;
mod expiry;
mod fields;
mod parse;
mod references;
mod set;
mod source;
mod time_text;
mod ttl_field;
mod upgrade;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use builder::CollectionSchemaBuilder;
pub use expiry::Expiry;
pub use set::Schemas;
pub use source::{
    ChildSource, EntryPointer, EntryStep, FilePattern, FileSource, OnDuplicate, SourceEntries,
    SourceId,
};
pub use upgrade::{ConvertTo, Upgrade, UpgradeFunction, UpgradePath, UpgradeStep, Upgrades};

use crate::{CollectionName, Document, EntityId, Error, ErrorKind, FieldPath, Result, Value};

/// Most bytes of text in an indexed field.
pub const MAX_INDEXED_TEXT_BYTES: usize = 1_000;
/// Most bytes of a document by [`Document::size`] unless the configuration
/// raises it: what a DynamoDB item holds (400 KB), less room for metadata.
pub const DEFAULT_MAX_ENTITY_BYTES: usize = 380 * 1_024;

/// What the engine knows of one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionSchema {
    /// Its name.
    pub collection: CollectionName,
    /// The top-level field that repeats the id in every document.
    pub id_field: FieldPath,
    /// Fields to index; each index is one or more fields.
    pub indexes: Vec<Vec<FieldPath>>,
    /// Which collection the ids in a field refer to; [`referred_ids`](Self::referred_ids) says
    /// what counts.
    pub references: BTreeMap<FieldPath, CollectionName>,
    /// Whether a program may neither write a document that refers to what is not there, nor
    /// delete what is referred to. A layer sees to it (`repo_layers::ReferenceLayer`); copies
    /// are not held to it. Without it references are only reported.
    pub enforce_references: bool,
    /// Version of the shape of the documents, 1 or more.
    pub schema_version: u32,
    /// The table that holds the collection in the database of another program,
    /// where that is not the collection's name. Our own tables have no use for
    /// it.
    pub table: Option<String>,
    /// Where files of another program hold entities of the collection.
    pub sources: Vec<FileSource>,
    /// Until when its entities live; `None`: all of them forever.
    pub expiry: Option<Expiry>,
    /// The declared fields at the top, by name.
    pub fields: Vec<Field>,
    /// The whole JSON Schema, for validation; `None` without a schema file.
    pub json_schema: Option<Arc<serde_json::Value>>,
    /// How documents of other schema versions become those of another one.
    pub upgrades: Upgrades,
}

/// A declared field at the top of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: FieldKind,
    /// Whether null is allowed.
    pub nullable: bool,
}

/// The JSON type of a declared field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// `string`
    Text,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
    /// `array`
    Array,
    /// `object`
    Object,
    /// Anything, or several types.
    Any,
}

impl CollectionSchema {
    /// A collection without a schema file: id field `id`, no index.
    #[must_use]
    pub fn undeclared(collection: CollectionName) -> Self {
        Self {
            collection,
            id_field: FieldPath::top("id"),
            indexes: Vec::new(),
            references: BTreeMap::new(),
            enforce_references: false,
            schema_version: 1,
            table: None,
            sources: Vec::new(),
            expiry: None,
            fields: Vec::new(),
            json_schema: None,
            upgrades: Upgrades::default(),
        }
    }

    /// Registers a function as the upgrade between two schema versions. The
    /// same document has to give the same answer each time, and the id has to
    /// stay.
    ///
    /// # Errors
    /// `ConfigInvalid` when a version is 0, both are the same, or there is an
    /// upgrade between them already.
    pub fn with_upgrade(
        mut self,
        from: u32,
        to: u32,
        function: impl Fn(&Document) -> Result<Document> + Send + Sync + 'static,
    ) -> Result<Self> {
        self.upgrades.insert(Upgrade::by_function(from, to, Arc::new(function))?)?;
        Ok(self)
    }

    /// The shortest way between two schema versions; `None` when there is none.
    #[must_use]
    pub fn upgrade_path(&self, from: u32, to: u32) -> Option<UpgradePath> {
        self.upgrades.path(from, to, &self.id_field)
    }

    /// The schema version of documents of which nobody has recorded one, such
    /// as files of another tool: 1 where upgrades lead from there to the
    /// declared version, else the declared one.
    #[must_use]
    pub fn unrecorded_version(&self) -> u32 {
        match self.upgrade_path(1, self.schema_version) {
            Some(_) => 1,
            None => self.schema_version,
        }
    }

    /// The name of the table that holds the collection in the database of
    /// another program.
    #[must_use]
    pub fn existing_table(&self) -> &str {
        self.table.as_deref().unwrap_or(self.collection.as_str())
    }

    /// Every field of an index, once.
    pub fn indexed_fields(&self) -> impl Iterator<Item = &FieldPath> {
        let mut seen: Vec<&FieldPath> = Vec::new();
        for path in self.indexes.iter().flatten() {
            if !seen.contains(&path) {
                seen.push(path);
            }
        }
        seen.into_iter()
    }

    /// The name of the id field.
    #[must_use]
    pub fn id_name(&self) -> &str {
        &self.id_field.steps()[0]
    }

    /// The id that `document` carries.
    ///
    /// # Errors
    /// `Invalid` when the id field is missing, not a string, or not an id.
    pub fn id_of(&self, document: &Document) -> Result<EntityId> {
        match document.get(&self.id_field) {
            Some(Value::String(id)) => EntityId::new(&id)
                .map_err(|error| self.refuse(error.message(), &self.id_field.to_pointer())),
            Some(_) => {
                Err(self.refuse("the id field is not a string", &self.id_field.to_pointer()))
            }
            None => Err(self.refuse("the id field is missing", &self.id_field.to_pointer())),
        }
    }

    /// Checks the rules that depend on the collection: the id field, the text
    /// of indexed fields, and the size. Every strategy calls this for each
    /// document it is about to write.
    ///
    /// # Errors
    /// `Invalid`, with collection, id and JSON Pointer in the context.
    pub fn check_document(
        &self,
        id: &EntityId,
        document: &Document,
        max_entity_bytes: usize,
    ) -> Result<()> {
        self.check_id(id, document)?;
        // No text is longer than the document that holds it.
        if document.as_str().len() > MAX_INDEXED_TEXT_BYTES {
            for path in self.indexed_fields() {
                self.check_indexed_text(id, document, path)?;
            }
        }
        if document.size() > max_entity_bytes {
            return Err(Error::new(
                ErrorKind::Invalid,
                "check a document",
                "the document is larger than the limit",
            )
            .with("collection", &self.collection)
            .with("pointer", "")
            .with("bytes", document.size())
            .with("limit", max_entity_bytes)
            .with("id", id)
            .hint("limits.max_entity_bytes raises it for stores that can hold more"));
        }
        Ok(())
    }

    fn check_id(&self, id: &EntityId, document: &Document) -> Result<()> {
        // The usual case, without parsing: the text is the id in quotes.
        let text = document.get_text(&self.id_field);
        let plain = text.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        if plain == Some(id.as_str()) && !id.as_str().contains('\\') {
            return Ok(());
        }
        let found = self.id_of(document).map_err(|error| error.with("id", id))?;
        if found == *id {
            return Ok(());
        }
        Err(self
            .refuse("the id field differs from the id", &self.id_field.to_pointer())
            .with("id", id)
            .with("found", found))
    }

    fn check_indexed_text(
        &self,
        id: &EntityId,
        document: &Document,
        path: &FieldPath,
    ) -> Result<()> {
        // Escapes only make the text in the document longer.
        let long = |text: &&str| text.len() > MAX_INDEXED_TEXT_BYTES;
        if document.get_text(path).filter(long).is_none() {
            return Ok(());
        }
        match document.get(path) {
            Some(Value::String(text)) if long(&text.as_str()) => Err(self
                .refuse("an indexed field holds more than 1000 bytes of text", &path.to_pointer())
                .with("bytes", text.len())
                .with("id", id)),
            _ => Ok(()),
        }
    }

    fn refuse(&self, why: &str, pointer: &str) -> Error {
        Error::new(ErrorKind::Invalid, "check a document", why)
            .with("collection", &self.collection)
            .with("pointer", pointer)
    }
}
