//! The steps of a checkpoint after its frame is durable.

use plain_json::Signature;
use repo_core::Result;

use crate::data_file::digest_of_path;
use crate::env::Env;
use crate::errors;
use crate::folder::{self, JOURNAL, META};
use crate::hooks::Step;
use crate::journal::{CheckpointOp, create_with};
use crate::segments;

/// Puts the files of a published checkpoint in their places. Safe to repeat.
///
/// # Errors
/// `Corrupt` when a file is not the one that the checkpoint wrote; nothing
/// more is moved then, and the journal stays.
pub(crate) fn finish(env: &Env, checkpoint: &CheckpointOp) -> Result<()> {
    let written = || checkpoint.files.iter().filter(|file| file.new.is_some());
    for file in written() {
        let beside = env.folder.beside(&file.name);
        let path = if beside.exists() { beside } else { env.folder.data(&file.name) };
        if digest_of_path(&path)? != file.new {
            return Err(errors::edited(&path));
        }
    }
    place_files(env, written().map(|file| file.name.as_str()).chain([META]))?;
    step(env, Step::AllRenamed)?;
    remove_gone(env, checkpoint)?;
    if let Some(span) = checkpoint.kept {
        segments::keep(&env.folder, span)?;
        step(env, Step::Kept)?;
    }
    start_journal(env, checkpoint.generation)?;
    step(env, Step::Finished)
}

/// Removes the files that have another name now. One that is not what the checkpoint
/// replaced is somebody's, and stays.
pub(crate) fn remove_gone(env: &Env, checkpoint: &CheckpointOp) -> Result<()> {
    let gone: Vec<_> = checkpoint.files.iter().filter(|file| file.new.is_none()).collect();
    if gone.is_empty() {
        return Ok(());
    }
    for file in gone {
        let path = env.folder.data(&file.name);
        match digest_of_path(&path)? {
            None => {}
            found if found == file.old => folder::remove_if_there(&path)?,
            Some(_) => tracing::warn!(file = %path.display(),
                "the file was changed by something else and is left; it is no part of the store \
                 any more"),
        }
    }
    env.folder.sync()?;
    step(env, Step::Removed)
}

/// Renames what stands beside `names`, durably.
pub(crate) fn place_files<'n>(env: &Env, names: impl Iterator<Item = &'n str>) -> Result<()> {
    for name in names {
        let beside = env.folder.beside(name);
        if Signature::of_path(&beside)?.is_some() {
            folder::refuse_link(&env.folder.data(name))?;
            folder::rename(&beside, &env.folder.data(name))?;
            step(env, Step::Renamed)?;
        }
    }
    env.folder.sync()
}

/// Puts an empty journal in the place of the old one.
pub(crate) fn start_journal(env: &Env, generation: u64) -> Result<()> {
    write_journal(env, generation, None)?;
    replace_journal(env)
}

/// Writes a new journal beside the old one.
pub(super) fn write_journal(env: &Env, generation: u64, payload: Option<&[u8]>) -> Result<()> {
    let beside = env.folder.beside(JOURNAL);
    let file = folder::create(&beside)?;
    create_with(&file, generation, payload)
        .map_err(|e| errors::io("write the journal", &beside, e))?;
    step(env, Step::JournalWritten)
}

/// Puts it in the place of the old one.
pub(super) fn replace_journal(env: &Env) -> Result<()> {
    folder::rename(&env.folder.beside(JOURNAL), &env.folder.journal())?;
    env.folder.sync()
}

/// Where a test can stop it.
pub(super) fn step(env: &Env, step: Step) -> Result<()> {
    env.hooks.step(step).map_err(|e| errors::io("write a checkpoint", env.folder.path(), e))
}
