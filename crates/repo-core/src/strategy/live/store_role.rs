//! What a store may be.

use serde::{Deserialize, Serialize};

/// Whether programs may write to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreRole {
    /// It takes writes. What a store is that never took part in a live migration.
    #[default]
    Authority,
    /// It takes no writes while its successor gets the last of them.
    Fenced,
    /// It takes no writes any more. Its route names the successor.
    Retired,
    /// The copy of an authority: only the live migration writes to it.
    Replica,
}

impl StoreRole {
    /// Its name, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Fenced => "fenced",
            Self::Retired => "retired",
            Self::Replica => "replica",
        }
    }
}
