//! Removing what no checkpoint needs, once nobody can take it for something else.
//!
//! What a checkpoint took the place of stays for an hour after the checkpoint was made, by the
//! clock of the object store. Within that time a process that was stopped meanwhile notices
//! that it was (see `follow`), and finds under each number that it tries the frame that has it.

use repo_blob::NamedObject;
use repo_core::{Result, Timestamp};

use crate::env::Env;
use crate::format::Manifest;
use crate::hex::Hex16;
use crate::load;
use crate::names;

/// Objects that are listed together.
const MOST_LISTED: usize = 100_000;
/// Frames that one checkpoint removes, at most; the next one goes on.
const MOST_FRAMES: usize = 10_000;

/// Removes what neither the newest checkpoint needs nor one that is older than the grace.
///
/// # Errors
/// What hinders it. What is left is removed another time.
pub(super) async fn prune(env: &Env, number: u64, newest: &Manifest) -> Result<()> {
    let listed = env.objects.list(names::CHECKPOINTS, None, MOST_LISTED).await?;
    // The newest object tells what time it is.
    let Some(now) = listed.iter().map(|object| object.modified).max() else { return Ok(()) };
    let settled = listed.iter().filter(|object| is_older(env, object, now, 1));
    let settled = settled.filter_map(|object| names::number_of(&object.name)).max();
    let Some(settled) = settled else { return Ok(()) };
    let Some(kept) = load::manifest(env, settled).await? else { return Ok(()) };
    remove_frames(env, newest, &kept).await?;
    let older = listed
        .iter()
        .filter(|object| names::number_of(&object.name).is_some_and(|number| number < settled));
    env.objects.remove(older.map(|object| object.name.clone()).collect()).await?;
    let needed = |run: Hex16| newest.needs(run) || kept.needs(run) || run.checkpoint() > number;
    remove_runs(env, needed, now).await
}

/// Whether an object was written so many times the grace ago.
fn is_older(env: &Env, object: &NamedObject, now: Timestamp, times: u32) -> bool {
    object.modified <= now.saturating_sub(env.limits.grace * times)
}

/// Removes the frames that a checkpoint has held for long. One stays in any case, so that a
/// log is never empty: who opens a store sees by it that a checkpoint has to be there.
async fn remove_frames(env: &Env, newest: &Manifest, kept: &Manifest) -> Result<()> {
    let through = kept.through.min(newest.through.saturating_sub(1));
    let listed = env.objects.list(names::LOG, None, MOST_FRAMES).await?;
    let is_gone = |object: &&NamedObject| {
        names::number_of(&object.name).is_some_and(|number| number <= through)
    };
    let gone = listed.iter().filter(is_gone).map(|object| object.name.clone());
    env.objects.remove(gone.collect()).await
}

/// Removes runs that nobody needs. One that a checkpoint of the last hour may name stays for as
/// long as somebody may read it by that.
async fn remove_runs(env: &Env, needed: impl Fn(Hex16) -> bool, now: Timestamp) -> Result<()> {
    let listed = env.objects.list(names::RUNS, None, MOST_LISTED).await?;
    let mut gone = Vec::new();
    for object in listed {
        let is_needed = names::run_of(&object.name).is_none_or(&needed);
        if !is_needed && is_older(env, &object, now, 2) {
            gone.push(object.name);
        }
    }
    env.objects.remove(gone).await
}
