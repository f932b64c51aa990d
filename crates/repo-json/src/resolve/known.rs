//! What `.meta` and journal still tell of a store that cannot be opened.

use repo_core::strategy::Action;
use repo_core::{Error, ErrorKind, Result};

use super::keep::Keep;
use crate::data_file::digest_of_path;
use crate::env::Env;
use crate::errors;
use crate::folder::META;
use crate::journal::CheckpointOp;
use crate::layout::Layout;
use crate::meta::{Meta, MetaFile, read_meta};
use crate::recovery;
use crate::state::{JournalState, State};

/// The records of a store, its data files not yet opened.
pub(super) struct Known {
    pub(super) state: State,
    pub(super) files: Vec<MetaFile>,
    /// The checkpoint that was broken off after its frame was durable, if its
    /// `.meta` is the one that was read.
    pub(super) pending: Option<Pending>,
}

/// A checkpoint that can be finished.
pub(super) struct Pending {
    pub(super) checkpoint: CheckpointOp,
    /// Whether its `.meta` still stands beside its place.
    pub(super) meta_beside: bool,
}

/// What `.meta` and journal know, as far as they are sound. `None` when there
/// is no sound `.meta`.
///
/// # Errors
/// With [`Keep::Journal`] `Corrupt` when the journal does not belong to
/// `.meta`: its commits would be lost without a word.
pub(super) fn known(env: &Env, keep: Keep) -> Result<Option<Known>> {
    let journal = match keep {
        Keep::File => sound(recovery::open_journal(env))?,
        Keep::Journal => recovery::open_journal(env)?,
    };
    let there = journal.as_ref().map(|journal| journal.generation);
    let meta = sound(read_meta(&env.folder.meta()))?;
    let found = meta.as_ref().map(|meta| (meta.generation, meta.crc));
    let fits = there.is_some() && there == found.map(|(generation, _)| generation);
    let (mut state, files) = match meta {
        Some(meta) => described(env, meta, journal)?,
        None => (State { journal, ..State::default() }, Vec::new()),
    };
    let (pending, _) = recovery::read_sound(env, &mut state, fits)?;
    if let Some(checkpoint) = &pending
        && (keep == Keep::File || is_complete(env, checkpoint)?)
    {
        let wanted = (checkpoint.generation, checkpoint.meta_crc);
        if found == Some(wanted) {
            let pending = pending.map(|checkpoint| Pending { checkpoint, meta_beside: false });
            return Ok(Some(Known { state, files, pending }));
        }
        let beside = sound(read_meta(&env.folder.beside(META)))?;
        if let Some(meta) = beside.filter(|meta| (meta.generation, meta.crc) == wanted) {
            let (state, files) = described(env, meta, state.journal)?;
            let pending = pending.map(|checkpoint| Pending { checkpoint, meta_beside: true });
            return Ok(Some(Known { state, files, pending }));
        }
    }
    if found.is_none() {
        return Ok(None);
    }
    if keep == Keep::Journal && !fits {
        return Err(foreign(env, there, found.map(|(generation, _)| generation)));
    }
    // The frames before a checkpoint whose files are lost say the same as it.
    Ok(Some(Known { state, files, pending: None }))
}

/// What is damaged counts as not there.
fn sound<T>(read: Result<Option<T>>) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        read => read,
    }
}

fn described(
    env: &Env,
    meta: Meta,
    journal: Option<JournalState>,
) -> Result<(State, Vec<MetaFile>)> {
    let (layout, _) = Layout::resolve(env, Some(&meta))?;
    let (state, files, _) = recovery::from_meta(meta, journal);
    Ok((State { layout, ..state }, files))
}

/// Whether all files that the checkpoint wrote are there, in their places or
/// beside them.
fn is_complete(env: &Env, checkpoint: &CheckpointOp) -> Result<bool> {
    for file in checkpoint.files.iter().filter(|file| file.new.is_some()) {
        let new = file.new;
        if digest_of_path(&env.folder.beside(&file.name))? != new
            && digest_of_path(&env.folder.data(&file.name))? != new
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn foreign(env: &Env, journal: Option<u64>, meta: Option<u64>) -> Error {
    let shown = |generation: Option<u64>| generation.map_or("none".to_owned(), |g| g.to_string());
    errors::corrupt(
        "resolve",
        &env.folder.journal(),
        8,
        "the journal does not belong to .meta, so its commits cannot be kept",
    )
    .with("journal", shown(journal))
    .with("meta", shown(meta))
    .hint(format!(
        "put .meta and .journal back as they were together, from one backup; {} gives the journal \
         up; nothing of the store was changed so far",
        Action::KeepFile
    ))
}
