//! What the operator chose.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use repo_core::{CollectionName, Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a migration is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationOptions {
    /// Which collections; `None` means every collection of the source.
    pub collections: Option<Vec<CollectionName>>,
    /// Records in one batch: what is read, compared and applied at a time.
    pub batch_size: NonZeroUsize,
    /// The folder in which archives are made before the first write to the
    /// target; `None` makes none.
    pub backup: Option<PathBuf>,
    /// How hard archives are compressed.
    pub compression: CompressionLevel,
    /// Whether both sides are read again and compared after the last write.
    pub verify: bool,
    /// Whether to do all checks and write nothing on either side.
    pub dry_run: bool,
    /// Whether the source is to be emptied afterwards. Then it is decided for
    /// certain that both sides are two stores, and the source is archived
    /// whatever the target holds already.
    pub clean_up: bool,
    /// What to do with records of the target that differ.
    pub on_conflict: OnConflict,
    /// Whether an unfinished migration on the target is dropped, instead of
    /// resumed (the same plan) or kept away from (another).
    pub restart: bool,
    /// Batches that are written at a time, at most.
    pub workers: NonZeroUsize,
    /// Entities that are copied in a second, at most; `None` for no limit.
    pub rate_limit: Option<NonZeroUsize>,
    /// How long a batch that the target refuses for now (`Unavailable`) is
    /// tried again.
    pub patience: Duration,
    /// The file for entities that the target cannot hold; `None` refuses the
    /// run when there is one.
    pub quarantine: Option<PathBuf>,
    /// Whether older versions, tags and what else belongs to them are left behind, and
    /// the target keeps no histories for the sake of the source.
    pub without_history: bool,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self {
            collections: None,
            batch_size: NonZeroUsize::new(250).unwrap_or(NonZeroUsize::MIN),
            backup: Some(PathBuf::from("backups")),
            compression: CompressionLevel::default(),
            verify: true,
            dry_run: false,
            clean_up: false,
            on_conflict: OnConflict::Fail,
            restart: false,
            workers: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            rate_limit: None,
            patience: Duration::from_secs(60),
            quarantine: None,
            without_history: false,
        }
    }
}

/// What to do when the target already holds records that differ from the
/// source's, or that the source does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Refuse before anything is written, and name them.
    #[default]
    Fail,
    /// Keep the record with the higher version.
    Newer,
    /// Write the source's document, at a version above the target's.
    Overwrite,
}

/// A level of Zstandard: higher is smaller and slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionLevel(i32);

impl CompressionLevel {
    /// The levels that there are. Above 19 decompressing needs far more memory.
    pub const RANGE: std::ops::RangeInclusive<i32> = 1..=19;

    /// Checks and keeps a level.
    ///
    /// # Errors
    /// `Invalid` outside [`Self::RANGE`].
    pub fn new(level: i32) -> Result<Self> {
        if Self::RANGE.contains(&level) {
            return Ok(Self(level));
        }
        Err(Error::new(
            ErrorKind::Invalid,
            "choose a compression level",
            "a compression level is a whole number from 1 to 19",
        )
        .with("level", level))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }
}

/// The fastest: of documents that are alike it makes no larger archives than
/// Zstandard's own default of 3, in half the time (decision 0040).
impl Default for CompressionLevel {
    fn default() -> Self {
        Self(1)
    }
}
