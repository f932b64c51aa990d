//! What a document goes through before it is written.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use repo_core::{
    Change, CollectionName, Document, Error, ErrorKind, Key, Precondition, Result, Schemas, Write,
    Written,
};
use serde_json::Value as Json;

use repo_core::CollectionSchema;

use crate::{Inner, Layer};

/// The write that a document is part of.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WriteContext<'a> {
    /// Collection and id.
    pub key: &'a Key,
    /// What has to hold for the write to happen.
    pub precondition: Precondition,
}

/// Looks at a document before it is written. A closure with the same arguments
/// is one.
pub trait Validator: Send + Sync {
    /// Accepts the document, or says why not.
    ///
    /// # Errors
    /// `Invalid`, with a JSON Pointer to the place as `pointer`. The commit is
    /// refused with it.
    fn validate(&self, context: WriteContext<'_>, document: &Document) -> Result<()>;
}

impl<F> Validator for F
where
    F: Fn(WriteContext<'_>, &Document) -> Result<()> + Send + Sync,
{
    fn validate(&self, context: WriteContext<'_>, document: &Document) -> Result<()> {
        self(context, document)
    }
}

/// Changes a document before it is written. A closure with the same arguments is
/// one.
pub trait Processor: Send + Sync {
    /// The document that is written instead. Its id has to stay. The same
    /// document has to give the same answer each time, since a commit that was
    /// not applied may be made again.
    ///
    /// # Errors
    /// Whatever hinders it; the commit is refused with it.
    fn process(&self, context: WriteContext<'_>, document: Document) -> Result<Document>;
}

impl<F> Processor for F
where
    F: Fn(WriteContext<'_>, Document) -> Result<Document> + Send + Sync,
{
    fn process(&self, context: WriteContext<'_>, document: Document) -> Result<Document> {
        self(context, document)
    }
}

/// Changes and checks written documents before the store sees them: first by the
/// caller's own [`Processor`]s and [`Validator`]s, in the order in which they
/// were added, then by the collection's JSON Schema. So what is stored fits the
/// schema, whatever a processor made of it. A processed document is checked by
/// the rules of the contract as well; above all, its id stays.
///
/// `commit` is checked; `apply` is not, since a copy brings what another store
/// accepted.
///
/// ```
/// # use std::sync::Arc;
/// use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
/// use repo_core::{CollectionSchema, Document, Key, MemoryStrategy, Schemas};
/// use repo_layers::{Layer as _, ValidationLayer, WriteContext};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let trimmed = |_: WriteContext<'_>, document: Document| {
///     let mut value: serde_json::Value = document.deserialize()?;
///     value["name"] = value["name"].as_str().unwrap_or_default().trim().into();
///     Document::from_serialize(&value)
/// };
/// let layer = ValidationLayer::new(&Schemas::default())?.processor(trimmed);
/// let store = layer.around(Arc::new(MemoryStrategy::new(OpenOptions::default())));
/// store.prepare(&[CollectionSchema::undeclared("hosts".parse()?)]).await?;
///
/// let key = Key::new("hosts".parse()?, "h".parse()?);
/// store.save(key.clone(), Document::parse(r#"{"id": "h", "name": " a "}"#)?).await?;
/// let stored = store.get(&key.collection, &key.id).await?.map(|entity| entity.document);
/// assert_eq!(stored, Some(Document::parse(r#"{"id": "h", "name": "a"}"#)?));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ValidationLayer {
    schemas: HashMap<CollectionName, Arc<Declared>>,
    steps: Vec<Step>,
}

struct Declared {
    schema: CollectionSchema,
    validator: DocumentValidator,
}

#[derive(Clone)]
enum Step {
    Process(Arc<dyn Processor>),
    Validate(Arc<dyn Validator>),
}

impl fmt::Debug for ValidationLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidationLayer")
            .field("schemas", &self.schemas.keys())
            .field("steps", &self.steps.len())
            .finish()
    }
}

impl ValidationLayer {
    /// Checks by the JSON Schemas of these collections. A collection that is not
    /// among them, or has no JSON Schema, accepts every document.
    ///
    /// # Errors
    /// `ConfigInvalid` when a schema cannot be compiled.
    pub fn new(schemas: &Schemas) -> Result<Self> {
        let schemas = schemas
            .iter()
            .map(|schema| {
                let validator = DocumentValidator::new(schema)?;
                let declared = Declared { schema: schema.clone(), validator };
                Ok((schema.collection.clone(), Arc::new(declared)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { schemas, steps: Vec::new() })
    }

    /// Adds a processor, after the steps that were added before.
    #[must_use]
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.steps.push(Step::Process(Arc::new(processor)));
        self
    }

    /// Adds a validator, after the steps that were added before.
    #[must_use]
    pub fn validator(mut self, validator: impl Validator + 'static) -> Self {
        self.steps.push(Step::Validate(Arc::new(validator)));
        self
    }

    /// The document that is written for `given`.
    fn pass(
        &self,
        context: WriteContext<'_>,
        given: &Document,
        max_entity_bytes: usize,
    ) -> Result<Document> {
        let key = context.key;
        let (mut document, mut processed) = (given.clone(), false);
        for step in &self.steps {
            match step {
                Step::Process(processor) => {
                    document = processor.process(context, document)?;
                    processed = true;
                }
                Step::Validate(validator) => validator.validate(context, &document)?,
            }
        }
        let declared = self.schemas.get(&key.collection);
        if processed {
            let undeclared;
            let schema = match declared {
                Some(declared) => &declared.schema,
                None => {
                    undeclared = CollectionSchema::undeclared(key.collection.clone());
                    &undeclared
                }
            };
            schema.check_document(&key.id, &document, max_entity_bytes).map_err(|error| {
                error.hint("a processor of this program made the document so: correct that one")
            })?;
        }
        if let Some(declared) = declared {
            declared.validator.check(&document)?;
        }
        Ok(document)
    }
}

impl Layer for ValidationLayer {
    async fn commit(&self, inner: &Inner, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        let most = inner.capabilities().max_entity_bytes;
        for Write { key, precondition, change, .. } in &mut writes {
            if let Change::Put(document) = change {
                let context = WriteContext { key, precondition: *precondition };
                *document =
                    self.pass(context, document, most).map_err(|error| error.with("key", &*key))?;
            }
        }
        inner.commit(writes).await
    }
}

/// A compiled JSON Schema of one collection.
#[derive(Debug)]
pub struct DocumentValidator(Option<jsonschema::Validator>);

impl DocumentValidator {
    /// Compiles the schema; a collection without one accepts everything.
    ///
    /// # Errors
    /// `ConfigInvalid` when it is not a JSON Schema of draft 2020-12.
    pub fn new(schema: &CollectionSchema) -> Result<Self> {
        let compiled = schema.json_schema.as_deref().map(compile).transpose();
        compiled.map(Self).map_err(|error| error.with("collection", &schema.collection))
    }

    /// Checks a document. Numbers are compared as 64-bit integers or floats,
    /// which is as exact as JSON Schema's keywords need.
    ///
    /// # Errors
    /// `Invalid` with the JSON Pointer of the first place that does not fit.
    pub fn check(&self, document: &Document) -> Result<()> {
        let Some(validator) = &self.0 else { return Ok(()) };
        let value: Json = document.deserialize()?;
        validator.validate(&value).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                "validate a document",
                "the document does not fit its collection's schema",
            )
            .with("pointer", error.instance_path())
            .with("reason", &error)
        })
    }
}

/// Checks that the schema of each collection is a JSON Schema.
///
/// # Errors
/// `ConfigInvalid`, naming the collection.
pub fn check_schemas(schemas: &Schemas) -> Result<()> {
    schemas.iter().try_for_each(|schema| DocumentValidator::new(schema).map(|_| ()))
}

fn compile(schema: &Json) -> Result<jsonschema::Validator> {
    jsonschema::draft202012::new(schema).map_err(|error| {
        Error::new(ErrorKind::ConfigInvalid, "read a collection schema", "not a JSON Schema")
            .with("pointer", error.instance_path())
            .with("reason", &error)
    })
}
