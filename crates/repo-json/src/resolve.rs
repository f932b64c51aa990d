//! Deciding, by the word of an operator, between a data file that something
//! else changed and the commits that were not yet written into it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::{CollectionName, Error, ErrorKind, OpenOptions, Result};
use serde_json::Value as Json;

use crate::backup::stamp;
use crate::checkpoint::{self, Failure, Publish};
use crate::config::JsonSettings;
use crate::env::Env;
use crate::errors;
use crate::external::{self, Differences, Weigh};
use crate::folder;
use crate::hooks::Hooks;
use crate::journal::{JOURNAL_HEAD, Op, decode_ops, read_frames};
use crate::layout::Layout;
use crate::lock::LockFile;
use crate::meta::{MetaFile, read_meta};
use crate::recovery::{self, open_known, owner};
use crate::snapshot::{Form, short_digest};
use crate::state::{Collection, JournalState, Repair, State};
use crate::table::{NO_DIGEST, ShortDigest, Slot};

/// What is right where both say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The data files as they are now; all commits in the journal are given
    /// up.
    File,
    /// The commits in the journal, up to a damaged frame; elsewhere the files.
    Journal,
}

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
    let options = OpenOptions { read_only: false, ..options };
    let env = Env::new(settings, options, Hooks::default());
    let location = env.location.clone();
    tokio::task::spawn_blocking(move || run(&env, keep))
        .await
        .map_err(|_| errors::interrupted("resolve", &location))?
}

fn run(env: &Env, keep: Keep) -> Result<Resolved> {
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
    let (state, differences) = match keep {
        Keep::File => keep_files(env)?,
        Keep::Journal => keep_journal(env, &mut copies)?,
    };
    if let Some(state) = state {
        checkpoint::run(env, &state, Publish::Replace).map_err(|failure| match failure {
            Failure::Before(error) | Failure::Within(error) => error,
        })?;
    }
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

/// What `.meta` and journal know, as far as they are sound.
fn known(env: &Env, keep: Keep) -> Result<Option<Known>> {
    let journal = match recovery::open_journal(env) {
        Err(error) if error.kind() == ErrorKind::Corrupt && keep == Keep::File => None,
        opened => opened?,
    };
    let meta = match read_meta(&env.folder.meta()) {
        Err(error) if error.kind() == ErrorKind::Corrupt && keep == Keep::File => None,
        read => read?,
    };
    let Some(meta) = meta else { return Ok(None) };
    let layout = Layout::resolve(env, Some(&meta))?;
    let generation = meta.generation;
    let fits = journal.as_ref().is_some_and(|journal| journal.generation == generation);
    let (mut state, files, _) = recovery::from_meta(meta, journal);
    state.layout = layout;
    let (pending, _) = recovery::read_sound(env, &mut state, fits)?;
    if pending.is_none() {
        return Ok(Some(Known { state, files, pending: false }));
    }
    // The checkpoint is complete but for its renames: its `.meta` counts.
    let path = env.folder.beside(folder::META);
    let Some(newer) = read_meta(&path)? else {
        return Ok(Some(Known { state, files, pending: true }));
    };
    let layout = state.layout;
    let (mut state, files, _) = recovery::from_meta(newer, state.journal);
    state.layout = layout;
    Ok(Some(Known { state, files, pending: true }))
}

struct Known {
    state: State,
    files: Vec<MetaFile>,
    /// Whether a checkpoint was broken off after its frame was durable.
    pending: bool,
}

type Decision = (Option<State>, Differences);

fn keep_files(env: &Env) -> Result<Decision> {
    let Some(known) = known(env, Keep::File)? else {
        let state = external::adopt(env, &Layout::resolve(env, None)?)?;
        if !state.exists() {
            return Err(errors::no_store("resolve", &env.location));
        }
        let added = state.collections.values().map(|c| c.table.live()).sum();
        return Ok((Some(state), Differences { added, ..Differences::default() }));
    };
    let Known { mut state, files, .. } = known;
    let mut weigh = FilesWin(env);
    let mut seen = Differences::default();
    for (index, file) in files.iter().enumerate() {
        let of = file_owner(&state, index, file);
        let (data, tables) = recovery::scan(env, &file.name, of.as_ref(), true)?
            .ok_or_else(|| external::missing(&env.folder.data(&file.name)))?;
        seen.add(&external::take_in(env, &mut state, data, tables, &mut weigh)?);
    }
    let nowhere: Vec<CollectionName> = state
        .collections
        .iter()
        .filter(|(_, collection)| collection.file.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let now = env.options.clock.now().as_micros();
    for name in nowhere {
        seen.add(&external::take_out(&mut state, &name, now, &mut weigh)?);
    }
    Ok((Some(state), seen))
}

fn file_owner(state: &State, index: usize, file: &MetaFile) -> Option<CollectionName> {
    if file.form == Form::Single { None } else { owner(state, index) }
}

fn keep_journal(env: &Env, copies: &mut Vec<Option<PathBuf>>) -> Result<Decision> {
    let missing = || {
        errors::corrupt("resolve", &env.folder.meta(), 0, "there is no sound .meta")
            .hint("put the folder back from a backup, or keep the files")
    };
    let Known { mut state, files, pending } = known(env, Keep::Journal)?.ok_or_else(missing)?;
    if pending {
        return finish_over_edits(env, &files, copies).map(|seen| (None, seen));
    }
    let mut weigh = JournalWins { touched: touched(env, state.journal.as_ref())? };
    let mut seen = Differences::default();
    for (index, file) in files.iter().enumerate() {
        let path = env.folder.data(&file.name);
        if let Some(data) = open_known(&path, file)? {
            state.files.push(data);
            continue;
        }
        copies.push(copy_aside(env, &path)?);
        let of = file_owner(&state, index, file);
        let (data, tables) = recovery::scan(env, &file.name, of.as_ref(), true)?
            .ok_or_else(|| external::missing(&path))?;
        seen.add(&external::take_in(env, &mut state, data, tables, &mut weigh)?);
    }
    Ok((Some(state), seen))
}

/// The files of the checkpoint hold all commits; they take the place of the
/// edited ones.
fn finish_over_edits(
    env: &Env,
    files: &[MetaFile],
    copies: &mut Vec<Option<PathBuf>>,
) -> Result<Differences> {
    for file in files {
        let place = env.folder.data(&file.name);
        let beside = env.folder.beside(&file.name);
        if open_known(&place, file)?.is_some() {
            continue;
        }
        copies.push(copy_aside(env, &place)?);
        if open_known(&beside, file)?.is_none() {
            return Err(external::missing(&beside));
        }
        if place.exists() {
            // Seen as never edited from here on.
            fs::rename(&beside, &place).map_err(|e| errors::io("resolve", &place, e))?;
        }
    }
    env.folder.sync()?;
    let state = recovery::load(env)?;
    match &state.repair {
        Repair::Finish(pending) => checkpoint::finish(env, pending)?,
        _ => return Err(unsettled(env)),
    }
    Ok(Differences::default())
}

fn unsettled(env: &Env) -> Error {
    Error::new(ErrorKind::Conflict, "resolve", "the store changed while it was resolved")
        .with("store", &env.location)
        .hint("try again")
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

impl Weigh for FilesWin<'_> {
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

    fn stays(&self, _: &CollectionName, _: &str) -> bool {
        false
    }
}

/// The journal decides about the records that it changes.
struct JournalWins {
    touched: HashSet<(String, String)>,
}

impl Weigh for JournalWins {
    fn digest(
        &mut self,
        _: &State,
        _: &Collection,
        _: &Slot,
        known: ShortDigest,
    ) -> Result<ShortDigest> {
        Ok(known)
    }

    fn stays(&self, collection: &CollectionName, id: &str) -> bool {
        self.touched.contains(&(collection.to_string(), id.to_owned()))
    }
}
