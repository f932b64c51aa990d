//! Building and running a pipeline.

use std::fmt;
use std::sync::Arc;

use repo_core::{Error, ErrorKind, Result};

use super::stage::{Item, Processor, Validator};
use crate::storage_manager::{StorageManager, StoreOptions, Stored};

/// Longest name of a stage, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Validators and processors in their order. Cheap to clone. See the
/// [module](crate::pipeline).
#[derive(Clone)]
pub struct Pipeline {
    validators: Arc<[Stage<dyn Validator>]>,
    processors: Arc<[Stage<dyn Processor>]>,
}

/// Collects stages.
#[must_use]
#[derive(Default)]
pub struct PipelineBuilder {
    validators: Vec<Stage<dyn Validator>>,
    processors: Vec<Stage<dyn Processor>>,
}

struct Stage<S: ?Sized> {
    name: String,
    stage: Arc<S>,
}

fn names<S: ?Sized>(stages: &[Stage<S>]) -> Vec<&str> {
    stages.iter().map(|stage| stage.name.as_str()).collect()
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("validators", &names(&self.validators))
            .field("processors", &names(&self.processors))
            .finish()
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("validators", &names(&self.validators))
            .field("processors", &names(&self.processors))
            .finish()
    }
}

impl PipelineBuilder {
    /// Adds a validator behind the others.
    pub fn validator(mut self, name: &str, validator: impl Validator + 'static) -> Self {
        self.validators.push(Stage { name: name.to_owned(), stage: Arc::new(validator) });
        self
    }

    /// Adds a processor behind the others.
    pub fn processor(mut self, name: &str, processor: impl Processor + 'static) -> Self {
        self.processors.push(Stage { name: name.to_owned(), stage: Arc::new(processor) });
        self
    }

    /// The pipeline. Without stages it takes everything as it is.
    ///
    /// # Errors
    /// `ConfigInvalid` for a name that is empty, longer than 64 bytes, or given twice: it
    /// would not say which stage refused.
    pub fn build(self) -> Result<Pipeline> {
        let mut seen: Vec<&str> = Vec::new();
        for name in names(&self.validators).into_iter().chain(names(&self.processors)) {
            let broken = if name.is_empty() || name.len() > MAX_NAME_BYTES {
                "the name of a stage has 1 to 64 bytes"
            } else if seen.contains(&name) {
                "two stages have one name"
            } else {
                seen.push(name);
                continue;
            };
            return Err(Error::new(ErrorKind::ConfigInvalid, "build a pipeline", broken)
                .with("stage", format!("{name:?}")));
        }
        Ok(Pipeline { validators: self.validators.into(), processors: self.processors.into() })
    }
}

impl Pipeline {
    /// Begins a pipeline.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// Runs an item through the stages.
    ///
    /// # Errors
    /// That of the stage that refused, with its name (`stage`) and whether it is a
    /// `validator` or a `processor` (`step`).
    pub async fn process(&self, mut item: Item) -> Result<Item> {
        for Stage { name, stage } in &*self.validators {
            let validated = stage.validate(&item).await;
            validated.map_err(|error| error.with("step", "validator").with("stage", name))?;
        }
        for Stage { name, stage } in &*self.processors {
            let processed = stage.process(item).await;
            item =
                processed.map_err(|error| error.with("step", "processor").with("stage", name))?;
        }
        Ok(item)
    }

    /// Runs an item through the stages, and stores what comes out under a key. Its metadata
    /// are stored, too, over those of the options.
    ///
    /// # Errors
    /// As [`process`](Self::process), and those of [`StorageManager::store`] with `store` as
    /// their `step`.
    pub async fn store(
        &self,
        manager: &StorageManager,
        key: &str,
        item: Item,
        mut options: StoreOptions,
    ) -> Result<Stored> {
        let Item { content, metadata } = self.process(item).await?;
        options.metadata.extend(metadata);
        let stored = manager.store(key, content, options).await;
        stored.map_err(|error| error.with("step", "store"))
    }
}
