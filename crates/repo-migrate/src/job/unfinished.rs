//! What a target says of a migration that has not finished: whether this run
//! goes on with it, drops it, or has to stay away.

use std::collections::BTreeSet;

use repo_core::strategy::{JobFingerprint, JobId, JobKind, UnfinishedJob};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};

use crate::cleanup::mark;
use crate::job::checkpoint::{Checkpoint, UnreadCheckpoint};
use crate::job::holder::Liveness;
use crate::job::in_place::InPlace;
use crate::remedy::Remedy;
use crate::store_reference::StoreReference;

/// Tells one plan from another: two runs have the same plan when they move the
/// same collections between the same stores. What is to be done with conflicts
/// is not part of it, so that a run that conflicts stop can be finished.
pub(crate) fn plan_of(
    source: &StoreReference,
    target: &StoreReference,
    collections: Option<&BTreeSet<CollectionName>>,
) -> Result<JobFingerprint> {
    let text = serde_json::to_vec(&(2, source.location(), target.location(), collections));
    let text = text.map_err(|source| {
        Error::new(ErrorKind::Invalid, "migrate", "the plan cannot be written").caused_by(source)
    })?;
    JobFingerprint::new(blake3::hash(&text).to_hex().to_string())
}

/// A migration that was found on the target and that this run may take.
#[derive(Debug, Clone)]
pub(crate) struct FoundMigration {
    /// The job that the store keeps.
    pub(crate) stored: JobId,
    /// Whether it is the same migration.
    pub(crate) same_plan: bool,
    /// How far it is; none when it is to be started again.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What the operator should know.
    pub(crate) warning: String,
}

/// Looks at what the target keeps.
///
/// # Errors
/// `Locked` while somebody else is at work on it, and when it is another
/// migration that is not to be dropped.
pub(crate) fn find(
    fingerprint: &JobFingerprint,
    stored: Option<UnfinishedJob>,
    restart: bool,
    target: &StoreReference,
    now: Timestamp,
) -> Result<Option<FoundMigration>> {
    let Some(stored) = stored else { return Ok(None) };
    if stored.kind() == JobKind::CleanUp {
        return Err(mark::unfinished(target, &stored));
    }
    let same_plan = stored.id().fingerprint == *fingerprint;
    let checkpoint = match Checkpoint::read(&stored) {
        Ok(checkpoint) => checkpoint,
        Err(UnreadCheckpoint::Damaged) if restart && stored.kind() != JobKind::Upgrade => {
            let warning = "the progress of an unfinished migration was found on the target, \
                           cannot be read, and is dropped; what it copied stays, and is compared"
                .to_owned();
            let stored = stored.id().clone();
            return Ok(Some(FoundMigration { stored, same_plan, checkpoint: None, warning }));
        }
        Err(UnreadCheckpoint::Damaged) => return Err(damaged(&stored, target)),
        Err(UnreadCheckpoint::OtherFormat) => {
            return Err(another(target)
                .with("plan", stored.id())
                .hint("finish that migration first, with the version of the tool that began it"));
        }
    };
    refuse_in_place(&checkpoint, target)?;
    let taken = taken_from(&checkpoint, target, now)?;
    if !same_plan && !restart {
        return Err(other_plan(&checkpoint, target));
    }
    let what = match (same_plan, restart) {
        (true, false) if checkpoint.archive.is_some() => format!(
            "an unfinished run of the same migration was found on the target and is resumed \
             after {} records",
            checkpoint.records()
        ),
        (true, false) => "an unfinished run of the same migration was found on the target and is \
                          resumed; what has arrived stays"
            .to_owned(),
        (true, true) => {
            "an unfinished run of the same migration was found on the target and is started \
                         again"
                .to_owned()
        }
        (false, _) => format!(
            "an unfinished migration from {} was found on the target and is dropped; what it \
             copied stays",
            checkpoint.source
        ),
    };
    let checkpoint = (same_plan && !restart).then_some(checkpoint);
    let warning = format!("{what}{taken}");
    Ok(Some(FoundMigration { stored: stored.id().clone(), same_plan, checkpoint, warning }))
}

/// Words on whose lock is taken over.
pub(crate) fn taken_from(
    checkpoint: &Checkpoint,
    target: &StoreReference,
    now: Timestamp,
) -> Result<String> {
    let Some(owner) = &checkpoint.owner else { return Ok(String::new()) };
    let who = format!("process {} on {}", owner.process, owner.host);
    match owner.liveness(now) {
        Liveness::Ended => Ok(format!("; its lock is taken over from {who}, which has ended")),
        Liveness::Silent => Ok(format!(
            "; its lock is taken over from {who}, which was last heard of at {}",
            owner.renewed_at
        )),
        Liveness::AtWork => {
            Err(Error::new(ErrorKind::Locked, "migrate", "another run is at work on the target")
                .with("side", "target")
                .with("store", target.location())
                .with("its_source", &checkpoint.source)
                .with("process", owner.process)
                .with("host", &owner.host)
                .with("last_heard_of", owner.renewed_at)
                .hint("wait for it; a run that has died is taken over after a minute at most"))
        }
    }
}

fn another(target: &StoreReference) -> Error {
    Error::new(
        ErrorKind::Locked,
        "migrate",
        "the target carries the mark of another migration, which is unfinished",
    )
    .with("side", "target")
    .with("store", target.location())
}

/// The error for progress that cannot be read.
pub(crate) fn damaged(stored: &UnfinishedJob, side: &StoreReference) -> Error {
    let what = "what the store keeps of an unfinished migration is damaged";
    let error = side.err(Error::new(ErrorKind::Corrupt, "migrate", what)).with("plan", stored.id());
    if stored.kind() == JobKind::Upgrade {
        return error.hint(
            "it may be that of an upgrade in place: restore the store from the archive that the \
             upgrade made",
        );
    }
    error.remedy(Remedy::DropByRestart)
}

fn other_plan(checkpoint: &Checkpoint, target: &StoreReference) -> Error {
    let error = another(target)
        .with("its_source", &checkpoint.source)
        .with("begun_at", checkpoint.started_at);
    let Some(names) = &checkpoint.collections else {
        return error.remedy(Remedy::FinishOrRestart { collections: None });
    };
    let names: Vec<CollectionName> = names.iter().cloned().collect();
    let listed: Vec<&str> = names.iter().map(CollectionName::as_str).collect();
    error
        .with("its_collections", listed.join(","))
        .remedy(Remedy::FinishOrRestart { collections: Some(names) })
}

/// Refuses a store in which one of these collections holds documents of two
/// schema versions.
///
/// # Errors
/// `Locked`, with the command that resumes it.
pub(crate) async fn refuse_mixed(
    side: &StoreReference,
    concerns: impl Fn(&CollectionName) -> bool,
) -> Result<()> {
    let Some(stored) = side.record().await?.job else { return Ok(()) };
    let Ok(checkpoint) = Checkpoint::read(&stored) else { return Ok(()) };
    // Before there is an archive nothing was written.
    let begun = checkpoint.in_place.filter(|_| checkpoint.archive.is_some());
    match begun.filter(|in_place| concerns(&in_place.collection)) {
        Some(in_place) => Err(unfinished_upgrade(&in_place, side)),
        None => Ok(()),
    }
}

/// Refuses a target on which an upgrade is unfinished; no flag drops it.
fn refuse_in_place(checkpoint: &Checkpoint, side: &StoreReference) -> Result<()> {
    match &checkpoint.in_place {
        Some(in_place) => Err(unfinished_upgrade(in_place, side)),
        None => Ok(()),
    }
}

pub(crate) fn unfinished_upgrade(in_place: &InPlace, side: &StoreReference) -> Error {
    let InPlace { collection, to, .. } = in_place;
    let why = format!("an upgrade of {collection} is unfinished");
    side.err(Error::new(ErrorKind::Locked, "upgrade", why))
        .with("collection", collection)
        .with("to", to)
        .remedy(Remedy::ResumeUpgrade { collection: collection.clone(), to: *to })
}
