//! Who something belongs to.

use std::fmt;

use repo_core::{EntityId, Result};
use serde::{Deserialize, Serialize};

/// Who something belongs to: 1 to 255 characters, no control characters. The service does not
/// check who somebody is; a server does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(EntityId);

impl Owner {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// `Invalid` outside those bounds.
    pub fn new(name: &str) -> Result<Self> {
        EntityId::new(name).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
