//! Collections declared in Rust.

use std::collections::BTreeMap;

use super::ttl_field;
use super::{CollectionSchema, Field, FieldKind, FileSource, Upgrades};
use crate::{CollectionName, Error, ErrorKind, FieldPath, Result};

/// Declares a collection step by step, as a `*.schema.json` file does.
///
/// ```
/// use repo_core::{CollectionSchema, FieldKind};
///
/// let machines = CollectionSchema::builder("machines", "machine_id")
///     .index(&["status", "created_at"])
///     .reference("request_id", "requests")
///     .field("status", FieldKind::Text, false)
///     .build()?;
/// assert_eq!(machines.id_name(), "machine_id");
/// assert!(CollectionSchema::builder("Machines", "id").build().is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct CollectionSchemaBuilder {
    collection: String,
    id_field: String,
    indexes: Vec<Vec<String>>,
    references: Vec<(String, String)>,
    enforce_references: bool,
    schema_version: u32,
    table: Option<String>,
    sources: Vec<FileSource>,
    ttl_field: Option<String>,
    fields: Vec<Field>,
}

impl CollectionSchema {
    /// Begins to declare a collection, by its name and the top-level field that
    /// repeats the id.
    pub fn builder(collection: &str, id_field: &str) -> CollectionSchemaBuilder {
        CollectionSchemaBuilder {
            collection: collection.to_owned(),
            id_field: id_field.to_owned(),
            indexes: Vec::new(),
            references: Vec::new(),
            enforce_references: false,
            schema_version: 1,
            table: None,
            sources: Vec::new(),
            ttl_field: None,
            fields: Vec::new(),
        }
    }
}

impl CollectionSchemaBuilder {
    /// Adds an index over one or more fields, by dotted paths.
    pub fn index(mut self, fields: &[&str]) -> Self {
        self.indexes.push(fields.iter().map(|&field| field.to_owned()).collect());
        self
    }

    /// Says which collection the ids in a field refer to. Reported, and enforced only with
    /// [`enforce_references`](Self::enforce_references).
    pub fn reference(mut self, field: &str, collection: &str) -> Self {
        self.references.push((field.to_owned(), collection.to_owned()));
        self
    }

    /// Has the references of the collection enforced; see
    /// [`CollectionSchema::enforce_references`].
    pub fn enforce_references(mut self) -> Self {
        self.enforce_references = true;
        self
    }

    /// Sets the version of the shape of the documents, 1 or more; 1 without this.
    pub fn schema_version(mut self, version: u32) -> Self {
        self.schema_version = version;
        self
    }

    /// Names the table that holds the collection in the database of another
    /// program.
    pub fn table(mut self, name: &str) -> Self {
        self.table = Some(name.to_owned());
        self
    }

    /// Adds files of another program that hold entities of the collection.
    pub fn source(mut self, source: FileSource) -> Self {
        self.sources.push(source);
        self
    }

    /// Names the declared field that says until when an entity lives; see
    /// [`Expiry`](crate::Expiry).
    pub fn ttl_field(mut self, name: &str) -> Self {
        self.ttl_field = Some(name.to_owned());
        self
    }

    /// Declares a field at the top.
    pub fn field(mut self, name: &str, kind: FieldKind, nullable: bool) -> Self {
        self.fields.push(Field { name: name.to_owned(), kind, nullable });
        self
    }

    /// The schema.
    ///
    /// # Errors
    /// `ConfigInvalid` for a name, a path, an index without fields, a version or
    /// a table that cannot be, for references that are enforced where there are none, and for a
    /// time to live in a field that is not declared as text, an integer or a number.
    pub fn build(self) -> Result<CollectionSchema> {
        let named = |error: Error| error.with("collection", &self.collection);
        let path = |text: &String| {
            FieldPath::parse(text)
                .map_err(|error| named(refuse(error.message())).with("field", text))
        };
        let collection =
            |name: &str| CollectionName::new(name).map_err(|error| named(refuse(error.message())));
        if self.schema_version == 0 {
            return Err(named(refuse("schemaVersion is 1 or more")));
        }
        let id_field = path(&self.id_field)?;
        if id_field.steps().len() != 1 {
            return Err(named(refuse("idField names a field at the top")));
        }
        if self.indexes.iter().any(Vec::is_empty) {
            return Err(named(refuse("an index names at least one field")));
        }
        if self.enforce_references && self.references.is_empty() {
            let why = "enforceReferences is set, and there are no references";
            return Err(named(refuse(why)).hint("declare `references`, or leave it out"));
        }
        if self.table.as_ref().is_some_and(|table| table.is_empty() || table.contains('\0')) {
            return Err(named(refuse("table names a table of a database")));
        }
        let expiry = self.ttl_field.as_deref();
        let expiry = expiry.map(|name| ttl_field::declared(name, &id_field, &self.fields));
        let indexes = self.indexes.iter().map(|index| index.iter().map(path).collect());
        let references =
            self.references.iter().map(|(field, target)| Ok((path(field)?, collection(target)?)));
        Ok(CollectionSchema {
            collection: collection(&self.collection)?,
            indexes: indexes.collect::<Result<_>>()?,
            references: references.collect::<Result<BTreeMap<_, _>>>()?,
            expiry: expiry.transpose().map_err(named)?,
            enforce_references: self.enforce_references,
            id_field,
            schema_version: self.schema_version,
            table: self.table.clone(),
            sources: self.sources.clone(),
            fields: self.fields.clone(),
            json_schema: None,
            upgrades: Upgrades::default(),
        })
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "read a collection schema", why)
}
