//! The id of a commit in two stores.

use std::fmt;
use std::str::FromStr;

use repo_core::strategy::OwnerId;
use repo_core::{EntityId, Error, Result};
use serde::{Deserialize, Serialize};

/// The id of a commit in two stores: 128 random bits, written as 32 lower-case hexadecimal
/// digits. The intent in the first store and the marker in the second one have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(OwnerId);

impl IntentId {
    pub(crate) fn random() -> Result<Self> {
        OwnerId::random().map(Self)
    }

    pub(crate) fn entity_id(self) -> Result<EntityId> {
        EntityId::new(&self.to_string())
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for IntentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self)
    }
}
