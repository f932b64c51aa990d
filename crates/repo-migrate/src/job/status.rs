//! What a target says of a migration that has not finished, for people.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::{JobKind, StorageStrategy, UnfinishedJob};
use repo_core::{Clock as _, CollectionName, Error, ErrorKind, Result, SystemClock, Timestamp};
use serde::Serialize;

use crate::OnConflict;
use crate::cleanup::mark::CleanUpMark;
use crate::job::checkpoint::{Checkpoint, Stage, UnreadCheckpoint};
use crate::job::holder::{Holder, Liveness};
use crate::job::unfinished::damaged;
use crate::report::Counts;
use crate::store_reference::StoreReference;

/// A migration into a store that has not finished.
#[derive(Debug, Clone, Serialize)]
pub struct Unfinished {
    /// Tells one plan from another.
    pub plan: String,
    /// Where the records come from. Holds no secret.
    pub source: String,
    /// Where they go. Holds no secret.
    pub target: String,
    /// The collections that were named; none when all were meant.
    pub collections: Option<BTreeSet<CollectionName>>,
    /// What is to be done with records of the target that differ.
    pub on_conflict: OnConflict,
    /// When it began.
    pub begun_at: Timestamp,
    /// The version of the tool that began it.
    pub tool_version: String,
    /// What it is at: `copy` or `verify`; `upgrade` where documents are upgraded
    /// in place; `clean_up` in the store that a verified migration came from.
    pub stage: &'static str,
    /// The run that holds it; none when the last one ended by itself.
    pub owner: Option<OwnerStatus>,
    /// The archive that is copied from.
    pub backup: Option<PathBuf>,
    /// The archive of what the target held before.
    pub target_backup: Option<PathBuf>,
    /// Each collection that was begun.
    pub copied: Vec<CollectionStatus>,
}

/// The run that holds a migration.
#[derive(Debug, Clone, Serialize)]
pub struct OwnerStatus {
    /// The machine.
    pub host: String,
    /// The number of the process.
    pub process: u32,
    /// When it was last heard of.
    pub renewed_at: Timestamp,
    /// `at_work`, `ended`, or `silent`: not heard of for longer than its lease.
    /// The last two can be taken over.
    pub state: &'static str,
}

/// How far one collection is.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionStatus {
    /// Its name.
    pub name: CollectionName,
    /// How many records there were to copy when the migration began.
    pub of: u64,
    /// Whether all of them are in the target.
    pub finished: bool,
    /// What became of those that are durable in the target.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Reads what a store says of an unfinished migration into it.
///
/// # Errors
/// `Unsupported` when another version of the tool began it; what the store
/// refuses.
pub async fn status(store: &Arc<dyn StorageStrategy>) -> Result<Option<Unfinished>> {
    let side = StoreReference::only(store);
    let Some(stored) = side.record().await?.job else { return Ok(None) };
    if let Some(mark) = CleanUpMark::read(&stored) {
        return Ok(Some(Unfinished::of_clean_up(&stored, mark)));
    }
    let checkpoint = match Checkpoint::read(&stored) {
        Ok(checkpoint) => checkpoint,
        Err(UnreadCheckpoint::Damaged) if stored.kind() != JobKind::CleanUp => {
            return Err(damaged(&stored, &side));
        }
        Err(_) => {
            let why = "the unfinished migration was begun by another version of the tool";
            return Err(side.err(
                Error::new(ErrorKind::Unsupported, "migrate status", why)
                    .with("plan", stored.id())
                    .hint("use that version of the tool"),
            ));
        }
    };
    let now = SystemClock.now();
    let copied = copied(&checkpoint);
    Ok(Some(Unfinished {
        plan: stored.id().fingerprint.to_string(),
        source: checkpoint.source,
        target: checkpoint.target,
        collections: checkpoint.collections,
        on_conflict: checkpoint.on_conflict,
        begun_at: checkpoint.started_at,
        tool_version: checkpoint.tool_version,
        stage: match checkpoint.stage {
            _ if checkpoint.in_place.is_some() => "upgrade",
            Stage::Copy => "copy",
            Stage::Verify => "verify",
        },
        owner: checkpoint.owner.map(|owner| owner_status(owner, now)),
        backup: checkpoint.archive.map(|archive| archive.path),
        target_backup: checkpoint.target_archive.map(|archive| archive.path),
        copied,
    }))
}

impl Unfinished {
    fn of_clean_up(stored: &UnfinishedJob, mark: CleanUpMark) -> Self {
        Self {
            plan: stored.id().to_string(),
            source: mark.source,
            target: mark.target,
            collections: Some(mark.collections.into_iter().collect()),
            on_conflict: OnConflict::default(),
            begun_at: mark.begun_at,
            tool_version: mark.tool_version,
            stage: "clean_up",
            owner: None,
            backup: None,
            target_backup: None,
            copied: Vec::new(),
        }
    }
}

/// How far each collection is that was begun.
fn copied(checkpoint: &Checkpoint) -> Vec<CollectionStatus> {
    let copied = checkpoint.copied.iter().map(|(name, copied)| CollectionStatus {
        name: name.clone(),
        of: copied.of,
        finished: copied.finished,
        counts: copied.counts,
    });
    let in_place = checkpoint.in_place.as_ref().map(|it| {
        let (read, applied) = (it.done, it.counts.upgraded);
        let counts = Counts { read, applied, ..Counts::default() };
        CollectionStatus { name: it.collection.clone(), of: it.of, finished: false, counts }
    });
    copied.chain(in_place).collect()
}

fn owner_status(owner: Holder, now: Timestamp) -> OwnerStatus {
    let state = match owner.liveness(now) {
        Liveness::AtWork => "at_work",
        Liveness::Ended => "ended",
        Liveness::Silent => "silent",
    };
    OwnerStatus { host: owner.host, process: owner.process, renewed_at: owner.renewed_at, state }
}
