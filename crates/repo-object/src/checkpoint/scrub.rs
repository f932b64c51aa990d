//! Removing what is left of the documents of deleted records.
//!
//! The whole state is written anew, without them. Runs and documents that it takes the place
//! of are removed at once: who reads one of them meets that it is gone, and takes the new
//! checkpoint. Frames cannot be removed, since their numbers would be free for who knows of an
//! older end of the log: they are written anew with nothing in them.

use std::path::{Path, PathBuf};

use repo_core::Result;
use repo_core::strategy::Remnant;

use super::{Why, make, newest};
use crate::env::Env;
use crate::errors;
use crate::format::{HEAD, Kind, Manifest, Unreadable, kind_of, scrubbed_frame};
use crate::hex::Hex16;
use crate::names::{self, SCRUB};
use crate::objects::AT_ONCE;
use crate::store::Store;

/// Objects that are listed together.
const PAGE: usize = 1_000;

/// Scrubs the store, and names what may still hold what was removed.
///
/// # Errors
/// As making a checkpoint.
pub(crate) async fn scrub(store: &Store) -> Result<Vec<Remnant>> {
    make(store, Why::Whole).await?;
    store.cache().clear();
    let env = &store.env;
    let (number, manifest) = newest(store);
    remove_runs(env, number, &manifest).await?;
    empty_frames(env, manifest.through).await?;
    let mut remnants = half_written(env).await?;
    if env.objects.keeps_versions(&names::checkpoint(number)).await? {
        let what = "the bucket keeps what objects were before: remove the versions that are not \
                    the current ones";
        remnants.push(Remnant::new(env.objects.location(), what));
    }
    Ok(remnants)
}

/// Those that were begun before the checkpoint. What is being made for the next one holds
/// nothing that was removed.
async fn remove_runs(env: &Env, number: u64, manifest: &Manifest) -> Result<()> {
    let is_gone = |run: Hex16| !manifest.needs(run) && run.checkpoint() <= number;
    let mut after: Option<String> = None;
    loop {
        let listed = env.objects.list(names::RUNS, after.as_deref(), PAGE).await?;
        let mut gone = Vec::new();
        for object in &listed {
            if names::run_of(&object.name).is_some_and(is_gone) {
                gone.push(object.name.clone());
            }
        }
        env.objects.remove(gone).await?;
        let Some(last) = listed.last().filter(|_| listed.len() == PAGE) else { return Ok(()) };
        after = last.name.strip_prefix("run/").map(str::to_owned);
    }
}

/// Writes the frames anew that the checkpoint holds, with nothing in them.
async fn empty_frames(env: &Env, through: u64) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let listed = env.objects.list(names::LOG, after.as_deref(), PAGE).await?;
        let numbers: Vec<u64> =
            listed.iter().filter_map(|object| names::number_of(&object.name)).collect();
        let Some(last) = numbers.last().copied() else { return Ok(()) };
        for some in numbers.chunks(AT_ONCE) {
            let held = some.iter().filter(|number| **number <= through);
            let emptied = held.map(|number| empty_frame(env, *number));
            futures_util::future::try_join_all(emptied).await?;
        }
        if last >= through || listed.len() < PAGE {
            return Ok(());
        }
        after = Some(names::numbered(last));
    }
}

/// Whoever wrote it may not know yet that he did, so it stays his.
async fn empty_frame(env: &Env, number: u64) -> Result<()> {
    let name = names::log(number);
    let Some(head) = env.objects.read_range(&name, 0..HEAD).await? else { return Ok(()) };
    let (commit, after) = match kind_of(&head) {
        Ok(Kind::Log { scrubbed: true, .. }) => return Ok(()),
        Ok(Kind::Log { commit, after, .. }) => (commit, after),
        Ok(_) => return Err(errors::misplaced(&env.location, &name, "it is no frame of the log")),
        // Nobody needs it any more.
        Err(Unreadable::Damaged(_)) => (Hex16::random()?, Hex16::ZERO),
        Err(why) => return Err(errors::unreadable(&env.location, &name, why)),
    };
    env.objects.replace(&name, scrubbed_frame(number, commit, after)?).await
}

/// Files that a process left which was killed while it wrote them.
async fn half_written(env: &Env) -> Result<Vec<Remnant>> {
    let Some(folder) = env.objects.folder().map(Path::to_owned) else { return Ok(Vec::new()) };
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        look_for_half_written(&folder, &mut found);
        found
    });
    let found = found.await.map_err(|_| errors::interrupted(SCRUB, &env.location))?;
    let what = "a file that was left half written, and may hold the record: remove it when no \
                program writes to the store";
    Ok(found.into_iter().map(|path| Remnant::new(path.display(), what)).collect())
}

/// A folder that cannot be listed holds none that we wrote.
fn look_for_half_written(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() {
            look_for_half_written(&path, found);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains('#')) {
            found.push(path);
        }
    }
}
