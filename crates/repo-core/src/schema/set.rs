//! The set of collections that a process knows.

use std::collections::BTreeMap;
use std::path::Path;

use super::CollectionSchema;
use crate::{CollectionName, Error, ErrorKind, Model, Result};

/// The declared collections, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schemas(BTreeMap<CollectionName, CollectionSchema>);

impl Schemas {
    /// The end of the name of a schema file.
    pub const FILE_SUFFIX: &str = ".schema.json";

    /// Reads every `*.schema.json` of a folder.
    ///
    /// # Errors
    /// `ConfigInvalid` when the folder cannot be read, holds no schema, or a
    /// file is not one.
    pub fn load_dir(dir: &Path) -> Result<Self> {
        let unreadable = |source: std::io::Error| {
            Error::new(ErrorKind::ConfigInvalid, "load schemas", "the folder cannot be read")
                .with("folder", dir.display())
                .with("reason", &source)
                .caused_by(source)
        };
        let mut schemas = Self::default();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if !path.to_string_lossy().ends_with(Self::FILE_SUFFIX) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(unreadable)?;
            let schema = CollectionSchema::parse(&text)
                .map_err(|error| error.with("file", path.display()))?;
            schemas.insert(schema).map_err(|error| error.with("file", path.display()))?;
        }
        if schemas.0.is_empty() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "load schemas",
                "the folder holds no *.schema.json file",
            )
            .with("folder", dir.display()));
        }
        Ok(schemas)
    }

    /// Adds the collection of a model that declares its schema.
    ///
    /// # Errors
    /// `ConfigInvalid` when it declares none, or a wrong one, or when the
    /// collection is declared already.
    pub fn with<M: Model>(mut self) -> Result<Self> {
        let Some(schema) = M::schema()? else {
            let why = "the model declares no schema of its collection";
            return Err(Error::new(ErrorKind::ConfigInvalid, "load schemas", why)
                .with("collection", M::COLLECTION)
                .hint("derive `Model`, or give the schema beside it"));
        };
        self.insert(schema)?;
        Ok(self)
    }

    /// Adds a collection.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is declared already.
    pub fn insert(&mut self, schema: CollectionSchema) -> Result<()> {
        if self.0.contains_key(&schema.collection) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "load schemas",
                "the collection is declared twice",
            )
            .with("collection", schema.collection));
        }
        self.0.insert(schema.collection.clone(), schema);
        Ok(())
    }

    /// The schema of a collection; one without a file has id field `id` and no
    /// index.
    #[must_use]
    pub fn get(&self, collection: &CollectionName) -> CollectionSchema {
        self.0
            .get(collection)
            .cloned()
            .unwrap_or_else(|| CollectionSchema::undeclared(collection.clone()))
    }

    /// The schema of a collection, if it is declared.
    #[must_use]
    pub fn declared(&self, collection: &CollectionName) -> Option<&CollectionSchema> {
        self.0.get(collection)
    }

    /// The declared collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = &CollectionSchema> {
        self.0.values()
    }
}

impl FromIterator<CollectionSchema> for Schemas {
    fn from_iter<I: IntoIterator<Item = CollectionSchema>>(schemas: I) -> Self {
        Self(schemas.into_iter().map(|schema| (schema.collection.clone(), schema)).collect())
    }
}
