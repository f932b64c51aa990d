//! A record that both stores hold differently.

use repo_core::Version;
use serde::{Deserialize, Serialize};

/// A record that both stores hold differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LiveDifference {
    /// Which record.
    pub key: String,
    /// Its version in the authority; `None` where it is not there.
    pub authority: Option<Version>,
    /// Its version in the other store.
    pub other: Option<Version>,
}
