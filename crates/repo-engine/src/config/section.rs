//! Sections of a configuration that the caller brings.

use repo_core::Result;
use repo_core::strategy::read_settings;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::of_type::{defaults, schema_of};

/// A section of the configuration beside `storage`. The program that loads the
/// configuration says which ones it knows; the others are ignored and listed.
///
/// A section's type derives `Deserialize` with `deny_unknown_fields` and defaults,
/// so that a misspelt key is refused instead of having no effect.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    name: &'static str,
    defaults: fn() -> Result<Json>,
    schema: fn() -> Json,
    check: fn(&str, &Json) -> Result<()>,
}

impl Section {
    /// The section under `name`, at the top of the configuration, read as `T`.
    /// `storage` is not one: the engine reads it.
    #[must_use]
    pub fn of<T>(name: &'static str) -> Self
    where
        T: Default + Serialize + DeserializeOwned + JsonSchema,
    {
        Self {
            name,
            defaults: defaults::<T>,
            schema: schema_of::<T>,
            check: |at, given| read_settings::<T>(at, given).map(drop),
        }
    }

    /// Its key at the top of the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn defaults(&self) -> Result<Json> {
        (self.defaults)()
    }

    pub(super) fn schema(&self) -> Json {
        (self.schema)()
    }

    pub(super) fn check(&self, given: &Json) -> Result<()> {
        (self.check)(self.name, given)
    }
}
