//! How far a migration is, as it is kept with the target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use repo_core::strategy::{JobId, JobKind, UnfinishedJob};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::OnConflict;
use crate::archive::Archive;
use crate::job::holder::Holder;
use crate::job::in_place::InPlace;
use crate::report::{Carried, Counts};

/// The version of this form; another one cannot be resumed.
const FORMAT: u32 = 1;
/// The same of an upgrade in place.
const FORMAT_IN_PLACE: u32 = 2;

/// An unfinished migration. Holds no secret: locations have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    format: u32,
    pub(crate) source: String,
    pub(crate) target: String,
    /// The collections that were named; none when all were meant.
    pub(crate) collections: Option<BTreeSet<CollectionName>>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) started_at: Timestamp,
    pub(crate) tool_version: String,
    /// Who is at work on it; none when a run ended by itself before its end.
    pub(crate) owner: Option<Holder>,
    pub(crate) stage: Stage,
    /// Whether the target held no record when the migration began: then all
    /// that it holds now came from here.
    pub(crate) into_empty: bool,
    /// The archive that is copied from; none when the source itself is.
    pub(crate) archive: Option<ArchiveRef>,
    /// What the target held before.
    pub(crate) target_archive: Option<ArchiveRef>,
    /// Each collection.
    pub(crate) copied: BTreeMap<CollectionName, Copied>,
    /// The upgrades that documents go through, by what tells them from others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) upgrades: BTreeMap<CollectionName, String>,
    /// An upgrade in place instead of a migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_place: Option<InPlace>,
}

/// What an unfinished migration was at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Writing records.
    Copy,
    /// All records are written.
    Verify,
}

/// An archive, and the proof that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchiveRef {
    pub(crate) path: PathBuf,
    checksum: String,
}

/// How far one collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Copied {
    /// How many records there were to copy when the migration began.
    pub(crate) of: u64,
    /// What became of those that are durable in the target. Of an archive
    /// these are the first ones.
    pub(crate) counts: Counts,
    pub(crate) finished: bool,
    /// Of all applied records: those that replace one of the target.
    pub(crate) replaced: u64,
    /// Of all applied records: those that got a higher version.
    pub(crate) raised: u64,
    /// What became of the older versions that are durable. Of an archive these are the
    /// first ones.
    #[serde(default, skip_serializing_if = "Carried::is_nothing")]
    pub(crate) versions: Carried,
    /// How many lines of the archive these are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) version_lines: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) versions_finished: bool,
}

/// Serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What a checkpoint begins with.
pub(crate) struct Begun {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) collections: Option<BTreeSet<CollectionName>>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) started_at: Timestamp,
    pub(crate) into_empty: bool,
    pub(crate) upgrades: BTreeMap<CollectionName, String>,
}

impl Checkpoint {
    pub(crate) fn new(begun: Begun) -> Self {
        Self {
            format: FORMAT,
            source: begun.source,
            target: begun.target,
            collections: begun.collections,
            on_conflict: begun.on_conflict,
            started_at: begun.started_at,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            owner: None,
            stage: Stage::Copy,
            into_empty: begun.into_empty,
            archive: None,
            target_archive: None,
            copied: BTreeMap::new(),
            upgrades: begun.upgrades,
            in_place: None,
        }
    }

    /// The mark of an upgrade in place. It has a format of its own: a tool that
    /// does not know it must not take it for a migration.
    pub(crate) fn of_upgrade(begun: Begun, in_place: InPlace) -> Self {
        Self { format: FORMAT_IN_PLACE, in_place: Some(in_place), ..Self::new(begun) }
    }

    /// Reads the progress of a migration or an upgrade.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn read(stored: &UnfinishedJob) -> Result<Self, UnreadCheckpoint> {
        let format = match stored.kind() {
            JobKind::Upgrade => FORMAT_IN_PLACE,
            _ => FORMAT,
        };
        let progress = stored.progress();
        match serde_json::from_str::<Self>(progress) {
            Ok(checkpoint) if checkpoint.format == format => Ok(checkpoint),
            _ => Err(UnreadCheckpoint::of(progress)),
        }
    }

    /// The job whose progress it is.
    pub(crate) fn to_job(&self, id: JobId) -> Result<UnfinishedJob> {
        UnfinishedJob::new(id, self.to_text()?)
    }

    fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|source| {
            Error::new(ErrorKind::Invalid, "migrate", "the checkpoint cannot be written")
                .caused_by(source)
        })
    }

    /// Records that are durable in the target.
    pub(crate) fn records(&self) -> u64 {
        self.copied.values().map(|copied| copied.counts.read).sum()
    }
}

/// Why a checkpoint cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadCheckpoint {
    /// It is damaged.
    Damaged,
    /// Another version of the tool wrote it, in another form.
    OtherFormat,
}

impl UnreadCheckpoint {
    fn of(progress: &str) -> Self {
        let form: Option<Json> = serde_json::from_str(progress).ok();
        let format = form.as_ref().and_then(|form| form.get("format")?.as_u64());
        let known = [FORMAT, FORMAT_IN_PLACE].map(u64::from);
        match format {
            Some(format) if !known.contains(&format) => Self::OtherFormat,
            _ => Self::Damaged,
        }
    }
}

impl ArchiveRef {
    pub(crate) fn to(archive: &Archive) -> Self {
        Self { path: archive.absolute(), checksum: archive.manifest().checksum.clone() }
    }

    /// Opens the archive.
    ///
    /// # Errors
    /// `NotFound` when it is gone; `Corrupt` when another one is in its place.
    pub(crate) async fn open(&self) -> Result<Archive> {
        let archive = Archive::open(&self.path).await?;
        if archive.manifest().checksum == self.checksum {
            return Ok(archive);
        }
        Err(Error::new(ErrorKind::Corrupt, "migrate", "another archive stands in its place")
            .with("archive", self.path.display()))
    }
}
