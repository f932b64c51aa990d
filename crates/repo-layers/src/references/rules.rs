//! What the schemas say: who refers to whom, and where that is enforced.

use std::collections::BTreeMap;

use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result, Schemas};

use super::marks::{self, REFERENCE_MARKS};

/// The references that are enforced.
#[derive(Debug, Default)]
pub(super) struct Rules {
    referring: BTreeMap<CollectionName, CollectionSchema>,
    /// By the collection that is referred to.
    targets: BTreeMap<CollectionName, Vec<(CollectionName, FieldPath)>>,
}

impl Rules {
    /// # Errors
    /// `ConfigInvalid` when a schema takes the name of the marks' collection, and when entities
    /// that are referred to could expire: no commit would see them go.
    pub(super) fn of(schemas: &Schemas) -> Result<Self> {
        let mut rules = Self::default();
        for schema in schemas.iter().filter(|schema| schema.enforce_references) {
            for (field, target) in &schema.references {
                let at = (schema.collection.clone(), field.clone());
                rules.targets.entry(target.clone()).or_default().push(at);
            }
            rules.referring.insert(schema.collection.clone(), schema.clone());
        }
        let taken = |name: &CollectionName| name.as_str() == REFERENCE_MARKS;
        let mut concerned = rules.targets.keys().chain(schemas.iter().map(|s| &s.collection));
        if !rules.is_empty() && concerned.any(taken) {
            let why = "the collection is one of the engine's own, which enforces references by it";
            return Err(Error::new(ErrorKind::ConfigInvalid, "enforce references", why)
                .with("collection", REFERENCE_MARKS)
                .hint("give the collection another name"));
        }
        let expires = |schema: &&CollectionSchema| {
            schema.expiry.is_some() && rules.is_target(&schema.collection)
        };
        if let Some(expiring) = schemas.iter().find(expires) {
            let why = "what is referred to here would expire, whoever refers to it";
            return Err(Error::new(ErrorKind::ConfigInvalid, "enforce references", why)
                .with("collection", &expiring.collection)
                .hint("leave out its ttlField, or enforceReferences where it is referred to"));
        }
        Ok(rules)
    }

    /// Whether nothing is enforced.
    pub(super) fn is_empty(&self) -> bool {
        self.referring.is_empty()
    }

    /// The schema of a collection whose references are enforced.
    pub(super) fn referring(&self, collection: &CollectionName) -> Option<&CollectionSchema> {
        self.referring.get(collection)
    }

    /// The fields that refer to a collection, with whose they are.
    pub(super) fn referring_to(
        &self,
        target: &CollectionName,
    ) -> impl Iterator<Item = (&CollectionSchema, &FieldPath)> {
        let fields = self.targets.get(target).into_iter().flatten();
        fields.filter_map(move |(collection, field)| Some((self.referring.get(collection)?, field)))
    }

    /// Whether anything may refer to entities of a collection.
    pub(super) fn is_target(&self, collection: &CollectionName) -> bool {
        self.targets.contains_key(collection)
    }

    /// How many writes fit a commit of `most` keys, whatever they are: each reference takes
    /// two further keys, a deletion one.
    pub(super) fn fitting(&self, most: usize) -> usize {
        let put = self.referring.values().map(|schema| 1 + 2 * schema.references.len()).max();
        (most / put.unwrap_or(1).max(2)).max(1)
    }

    /// The schemas with that of the marks' collection, where one of them needs it and it is
    /// not among them.
    ///
    /// # Errors
    /// None in practice: the name is constant.
    pub(super) fn with_marks(
        &self,
        schemas: &[CollectionSchema],
    ) -> Result<Option<Vec<CollectionSchema>>> {
        let concerned = |schema: &CollectionSchema| {
            let name = &schema.collection;
            self.referring.contains_key(name) || self.targets.contains_key(name)
        };
        let is_there = |schema: &CollectionSchema| schema.collection.as_str() == REFERENCE_MARKS;
        if !schemas.iter().any(concerned) || schemas.iter().any(is_there) {
            return Ok(None);
        }
        Ok(Some(schemas.iter().cloned().chain([marks::schema()?]).collect()))
    }
}
