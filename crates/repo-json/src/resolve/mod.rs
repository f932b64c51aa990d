//! Deciding, by the word of an operator, between a data file that something
//! else changed and the commits that were not yet written into it.

mod keep;
mod known;

pub use keep::Keep;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, ErrorKind, Result};
use serde_json::Value as Json;

use crate::backup::stamp;
use crate::checkpoint::{self, Failure, Publish};
use crate::config::JsonSettings;
use crate::data_file::{self, digest_of_path, open_known};
use crate::env::Env;
use crate::errors;
use crate::external::{self, Differences, MergePolicy};
use crate::folder;
use crate::hooks::Hooks;
use crate::journal::{CheckpointFile, JOURNAL_HEAD, Op, decode_ops, read_frames};
use crate::layout::Layout;
use crate::lock::LockFile;
use crate::meta::MetaFile;
use crate::recovery;
use crate::snapshot::{Form, short_digest};
use crate::state::{Collection, JournalState, State};
use crate::table::{NO_DIGEST, ShortDigest, Slot};
use known::{Known, known};

/// What a resolution did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Resolved {
    /// Whether there was anything to decide.
    pub needed: bool,
    /// Records whose document is now that of a file, one version higher.
    pub changed: u64,
    /// Entities of a file that the store did not know.
    pub added: u64,
    /// Entities that are now tombstones.
    pub removed: u64,
    /// Records kept as the journal has them.
    pub kept: u64,
    /// Copies of what was there before: the journal, and with `Journal` the
    /// edited files.
    pub copies: Vec<PathBuf>,
}

/// Decides between edited data files and the journal, and brings the store
/// into order. Copies of what is given up are left in the folder.
///
/// # Errors
/// `Corrupt` when what should be kept is itself damaged; those of opening.
pub async fn resolve(settings: &Json, options: OpenOptions, keep: Keep) -> Result<Resolved> {
    let settings = JsonSettings::read(settings)?;
    let options = options.with_read_only(false);
    let env = Env::new(settings, options, Hooks::default());
    let location = env.location.clone();
    tokio::task::spawn_blocking(move || run(&env, keep))
        .await
        .map_err(|_| errors::interrupted("resolve", &location))?
}

pub(crate) fn run(env: &Env, keep: Keep) -> Result<Resolved> {
    let Some(lock) = LockFile::open(&env.folder.lock())? else {
        // Nobody ever wrote here, so there is nothing to decide.
        return recovery::load(env).map(|_| Resolved::default());
    };
    let _guard = Arc::new(lock).exclusive()?;
    match recovery::load(env) {
        Ok(_) => return Ok(Resolved::default()),
        Err(error) if error.kind() == ErrorKind::Corrupt => {}
        Err(error) => return Err(error),
    }
    let mut copies = vec![copy_aside(env, &env.folder.journal())?];
    let known = settled(env, keep, &mut copies)?;
    let (mut state, differences) = match keep {
        Keep::File => keep_files(env, known)?,
        Keep::Journal => keep_journal(env, known, &mut copies)?,
    };
    recovery::open_histories(env, &mut state)?;
    checkpoint::run(env, &state, Publish::Replace).map_err(|failure| match failure {
        Failure::Before(error) | Failure::Within(error) => error,
    })?;
    recovery::load(env)?;
    let Differences { changed, added, removed, kept } = differences;
    let copies = copies.into_iter().flatten().collect();
    Ok(Resolved { needed: true, changed, added, removed, kept, copies })
}

/// Leaves a copy of a file in the folder; `None` when there is none.
fn copy_aside(env: &Env, path: &Path) -> Result<Option<PathBuf>> {
    let Some(mut from) = folder::open_if_there(path)? else { return Ok(None) };
    let suffix = format!(".{}.before-resolve", stamp(env.options.clock.now()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    let copy = path.with_file_name(name);
    let mut to = folder::create(&copy)?;
    std::io::copy(&mut from, &mut to)
        .and_then(|_| to.sync_all())
        .map_err(|e| errors::io("resolve", &copy, e))?;
    env.folder.sync()?;
    Ok(Some(copy))
}

type Decision = (State, Differences);

fn keep_files(env: &Env, known: Option<Known>) -> Result<Decision> {
    let Some(known) = known else {
        let (layout, packing) = Layout::resolve(env, None)?;
        let state = State { layout: layout.clone(), ..external::adopt(env, &layout, packing)? };
        if !state.exists() {
            return Err(errors::no_store("resolve", &env.location));
        }
        let added = state.collections.values().map(|c| c.table.live()).sum();
        return Ok((state, Differences { added, ..Differences::default() }));
    };
    let Known { mut state, files, .. } = known;
    let mut policy = FilesWin(env);
    let mut seen = Differences::default();
    for (index, file) in files.iter().enumerate() {
        let of = file_owner(&state, index, file);
        let (data, tables) = data_file::scan(env, &file.name, file.packing, of.as_ref(), true)?
            .ok_or_else(|| errors::missing(&env.folder.data(&file.name)))?;
        seen.add(&external::merge(env, &mut state, data, tables, &mut policy)?);
    }
    let nowhere: Vec<CollectionName> = state
        .collections
        .iter()
        .filter(|(_, collection)| collection.file.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let now = env.options.clock.now().as_micros();
    for name in nowhere {
        seen.add(&external::merge_removal(&mut state, &name, now, &mut policy)?);
    }
    Ok((state, seen))
}

fn file_owner(state: &State, index: usize, file: &MetaFile) -> Option<CollectionName> {
    if file.form == Form::Single { None } else { state.owner(index) }
}

fn keep_journal(
    env: &Env,
    known: Option<Known>,
    copies: &mut Vec<Option<PathBuf>>,
) -> Result<Decision> {
    let missing = || {
        errors::corrupt("resolve", &env.folder.meta(), 0, "there is no sound .meta")
            .hint("put the folder back from a backup, or keep the files")
    };
    let Known { mut state, files, .. } = known.ok_or_else(missing)?;
    let mut policy = JournalWins { touched: touched(env, state.journal.as_ref())? };
    let mut seen = Differences::default();
    for (index, file) in files.iter().enumerate() {
        let path = env.folder.data(&file.name);
        if let Some(data) = open_known(&path, file)? {
            state.files.push(data);
            continue;
        }
        copies.push(copy_aside(env, &path)?);
        let of = file_owner(&state, index, file);
        let (data, tables) = data_file::scan(env, &file.name, file.packing, of.as_ref(), true)?
            .ok_or_else(|| errors::missing(&path))?;
        seen.add(&external::merge(env, &mut state, data, tables, &mut policy)?);
    }
    Ok((state, seen))
}

/// What is known, after a checkpoint that was broken off was finished as far
/// as the decision allows. Nothing that it wrote is lost before that: until
/// the fresh journal stands, either decision can still be made.
fn settled(env: &Env, keep: Keep, copies: &mut Vec<Option<PathBuf>>) -> Result<Option<Known>> {
    let Some(found) = known(env, keep)? else { return Ok(None) };
    let Some(pending) = &found.pending else { return Ok(Some(found)) };
    let mut names = Vec::new();
    for (index, file) in found.files.iter().enumerate() {
        let written = pending.checkpoint.files.iter().find(|written| written.name == file.name);
        if takes_its_place(env, keep, &file.name, written, copies)? {
            names.push(file.name.as_str());
            continue;
        }
        let path = env.folder.data(&file.name);
        if open_known(&path, file)?.is_none() {
            // It stays as it is, so it must be one that can be read.
            let of = file_owner(&found.state, index, file);
            data_file::scan(env, &file.name, file.packing, of.as_ref(), false)?
                .ok_or_else(|| errors::missing(&path))?;
        }
    }
    if pending.meta_beside {
        names.push(folder::META);
    }
    checkpoint::place_files(env, names.into_iter())?;
    checkpoint::remove_gone(env, &pending.checkpoint)?;
    checkpoint::start_journal(env, pending.checkpoint.generation)?;
    known(env, keep)
}

/// Whether the file that a broken-off checkpoint wrote beside `name` is put in
/// its place.
fn takes_its_place(
    env: &Env,
    keep: Keep,
    name: &str,
    written: Option<&CheckpointFile>,
    copies: &mut Vec<Option<PathBuf>>,
) -> Result<bool> {
    let Some(written) = written else { return Ok(false) };
    let place = env.folder.data(name);
    let now = digest_of_path(&place)?;
    let beside = digest_of_path(&env.folder.beside(name))?;
    if now == written.new || beside != written.new {
        return Ok(false);
    }
    if now == written.old {
        return Ok(true);
    }
    if keep == Keep::Journal {
        copies.push(copy_aside(env, &place)?);
    }
    Ok(keep == Keep::Journal)
}

/// The keys that the journal's sound frames change.
fn touched(env: &Env, journal: Option<&JournalState>) -> Result<HashSet<(String, String)>> {
    let mut keys = HashSet::new();
    let Some(journal) = journal else { return Ok(keys) };
    let path = env.folder.journal();
    read_frames(&journal.file, &path, journal.generation, JOURNAL_HEAD, 0, |frame| {
        for (op, _) in decode_ops(&frame.payload).flatten() {
            if let Op::Put { collection, id, .. } | Op::Delete { collection, id, .. } = op {
                keys.insert((collection.to_owned(), id.to_owned()));
            }
        }
        Ok(())
    })?;
    Ok(keys)
}

/// The files decide about every record.
struct FilesWin<'e>(&'e Env);

impl MergePolicy for FilesWin<'_> {
    fn digest(
        &mut self,
        state: &State,
        collection: &Collection,
        slot: &Slot,
        known: ShortDigest,
    ) -> Result<ShortDigest> {
        if known != NO_DIGEST {
            return Ok(known);
        }
        // It was written since the last checkpoint.
        Ok(short_digest(&state.documents(self.0, collection).read(slot)?))
    }
}

/// The journal decides about the records that it changes.
struct JournalWins {
    touched: HashSet<(String, String)>,
}

impl MergePolicy for JournalWins {
    fn stays(&self, collection: &CollectionName, id: &str) -> bool {
        self.touched.contains(&(collection.to_string(), id.to_owned()))
    }
}
