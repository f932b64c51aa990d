//! Sections of a configuration that the caller brings.

use repo_core::Result;
use repo_core::strategy::read_settings;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::of_type::{defaults, property_names, schema_of};

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
    /// Of a section that is read in part: the keys that are read.
    part: Option<fn() -> Vec<String>>,
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
            part: None,
        }
    }

    /// A section of another program, of which this one reads the keys of `T` alone. The other
    /// keys are left as they are, and nothing is checked or filled before
    /// [`Config::section`](super::Config::section) asks for it: whatever the other program needs,
    /// this one runs without it.
    #[must_use]
    pub fn part_of<T>(name: &'static str) -> Self
    where
        T: Default + Serialize + DeserializeOwned + JsonSchema,
    {
        Self { part: Some(property_names::<T>), ..Self::of::<T>(name) }
    }

    /// Its key at the top of the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The keys that are read of it; `None` for a section that is read as a whole.
    pub(super) fn part(&self) -> Option<Vec<String>> {
        self.part.map(|keys| keys())
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
