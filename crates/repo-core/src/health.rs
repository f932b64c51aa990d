//! Whether a store is sound: at a glance, or by reading everything.

use std::fmt;
use std::sync::Arc;

use crate::CollectionName;

/// Receives the collection of records that were read, and how many more were
/// read. Must return quickly.
pub type HealthProgress = Arc<dyn Fn(&CollectionName, u64) + Send + Sync>;

/// How thoroughly a store is looked at.
#[derive(Clone, Default)]
pub enum HealthDepth {
    /// What can be seen without reading the records of a database: that it can
    /// be reached, and what it is made of. A store of JSON files compares its
    /// files with their digests in any case.
    #[default]
    Quick,
    /// Every record is read, and compared with its digest where the store keeps
    /// one, and the store's own check of its files is made. Takes as long as a
    /// scan of everything, or longer.
    Deep(HealthProgress),
}

impl fmt::Debug for HealthDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "Quick",
            Self::Deep(_) => "Deep",
        })
    }
}

/// What a health check saw.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The single checks; the store is healthy when all are ok.
    pub checks: Vec<HealthCheck>,
}

/// One thing that a health check looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What was looked at, for example `journal`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

impl HealthCheck {
    /// What was looked at, whether it is as it should be, and what was seen.
    #[must_use]
    pub fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name, ok, detail: detail.into() }
    }
}

impl Health {
    /// These checks.
    #[must_use]
    pub const fn new(checks: Vec<HealthCheck>) -> Self {
        Self { checks }
    }

    /// Whether every check is ok.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}
