//! Opening: from the files as they are to what they mean. Nothing is changed
//! here, so that a read-only handle sees what a writer would make of them.

use std::path::Path;
use std::sync::Arc;

use plain_json::Signature;
use repo_core::strategy::Action;
use repo_core::{Error, Result};

use crate::data_file::{DataFile, digest_of_path, open_known};
use crate::env::Env;
use crate::errors;
use crate::external;
use crate::folder::{self, META};
use crate::history::{self, History};
use crate::identity;
use crate::journal::{
    CheckpointOp, Frame, JOURNAL_HEAD, Op, Tail, decode_ops, read_frames, read_head,
};
use crate::layout::Layout;
use crate::meta::{Meta, MetaFile, read_meta};
use crate::packed::Packing;
use crate::segments;
use crate::selection;
use crate::state::{Collection, JournalState, Repair, State};

fn restore_hint() -> String {
    format!(
        "put the folder back from a backup; or run {}: what was committed since the last \
         checkpoint is then given up",
        Action::KeepFile
    )
}

/// Reads the store. Call it with the lock held, shared or exclusive.
///
/// # Errors
/// `Corrupt` and `Invalid` for damaged or edited files, `Unsupported` for a
/// newer layout, `ConfigInvalid` for a store of other files.
pub(crate) fn load(env: &Env) -> Result<State> {
    if !env.options.read_only {
        env.folder.refuse_links()?;
    }
    let meta = read_meta(&env.folder.meta())?;
    let (layout, packing) = Layout::resolve(env, meta.as_ref())?;
    layout.refuse_shared_file(env, std::iter::empty())?;
    let mut state = load_in(env, (&layout, packing), meta)?;
    open_histories(env, &mut state)?;
    if !env.options.read_only {
        let mut places = state.files.iter().map(|file| env.folder.data(&file.name));
        places.try_for_each(|path| folder::refuse_link(&path))?;
        history::refuse_links(&env.folder, state.history_files())?;
    }
    layout.refuse_shared_file(env, state.collections.keys())?;
    for declared in env.options.schemas.iter() {
        identity::check(env, "open the store", &state, &env.schema(&declared.collection))?;
    }
    Ok(State { layout, ..state })
}

/// Opens the files of the histories that are kept.
pub(crate) fn open_histories(env: &Env, state: &mut State) -> Result<()> {
    let mut histories = state.collections.values_mut().filter_map(|c| c.history.as_mut());
    histories.try_for_each(|history| history.open(&env.folder))
}

fn load_in(env: &Env, (layout, packing): (&Layout, Packing), meta: Option<Meta>) -> Result<State> {
    match (meta, open_journal(env)?) {
        (None, None) => external::adopt(env, layout, packing),
        (None, Some(journal)) => load_without_meta(env, (layout, packing), journal),
        (Some(_), None) => Err(errors::corrupt(
            "open the store",
            &env.folder.journal(),
            0,
            "the journal is missing",
        )
        .hint(restore_hint())),
        (Some(meta), Some(journal)) => load_whole(env, layout, meta, journal),
    }
}

/// Opens the journal and reads its head.
pub(crate) fn open_journal(env: &Env) -> Result<Option<JournalState>> {
    let path = env.folder.journal();
    let opened = if env.options.read_only {
        folder::open_if_there(&path)?
    } else {
        folder::open_for_writing(&path)?
    };
    let Some(file) = opened else { return Ok(None) };
    segments::refuse_second_name(&env.folder, &file, &path)?;
    let generation = read_head(&file, &path)?;
    Ok(Some(JournalState {
        inode: Signature::of_file(&file, &path)?.inode,
        file: Arc::new(file),
        generation,
        end: JOURNAL_HEAD,
        sequence: 0,
        torn: 0,
        has_records: false,
    }))
}

/// A journal without `.meta`: a store whose making was broken off.
fn load_without_meta(
    env: &Env,
    (layout, packing): (&Layout, Packing),
    journal: JournalState,
) -> Result<State> {
    let mut state = State { journal: Some(journal), ..State::default() };
    let pending = read_on(env, &mut state, false)?;
    match pending {
        Some(checkpoint) => load_pending(env, state, None, checkpoint),
        None if state.journal.as_ref().is_some_and(JournalState::is_empty) => {
            external::adopt(env, layout, packing)
        }
        None => {
            Err(errors::corrupt("open the store", &env.folder.meta(), 0, "the file is missing")
                .hint(restore_hint()))
        }
    }
}

fn load_whole(env: &Env, layout: &Layout, meta: Meta, journal: JournalState) -> Result<State> {
    let journal_generation = journal.generation;
    let (mut state, mut files, head) = from_meta(meta, Some(journal));
    selection::apply(&env.options, &mut state, &mut files);
    let pending = if state.generation == journal_generation {
        read_on(env, &mut state, true)?
    } else {
        // Only a checkpoint at its end can make this journal fit.
        read_on(env, &mut state, false)?
    };
    if let Some(checkpoint) = pending {
        return load_pending(env, state, Some((head, files)), checkpoint);
    }
    if state.generation != journal_generation {
        return Err(errors::corrupt(
            "open the store",
            &env.folder.journal(),
            8,
            "the journal does not belong to .meta",
        )
        .with("journal", journal_generation)
        .with("meta", state.generation)
        .hint(restore_hint()));
    }
    external::attach(env, layout, state, &files)
}

/// What identifies a `.meta`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MetaHead {
    generation: u64,
    crc: u32,
}

/// The state that `.meta` describes, its data files not yet opened.
pub(crate) fn from_meta(
    meta: Meta,
    journal: Option<JournalState>,
) -> (State, Vec<MetaFile>, MetaHead) {
    let head = MetaHead { generation: meta.generation, crc: meta.crc };
    let collections = meta.collections.into_iter().map(|found| {
        let collection = Collection {
            schema_version: found.head.schema_version,
            floor: found.head.floor,
            shape: found.head.shape,
            file: found.head.file,
            table: found.table,
            indexes: None,
            searched: Arc::default(),
            dirty: false,
            history: None,
        };
        (found.head.name, collection)
    });
    let mut state = State {
        generation: meta.generation,
        id: meta.id,
        packing: meta.packing,
        role: meta.role,
        job: meta.job,
        feed: meta.feed,
        items: meta.items,
        collections: collections.collect(),
        journal,
        ..State::default()
    };
    for history in meta.histories {
        if let Some(collection) = state.collections.get_mut(&history.name) {
            collection.history = Some(Box::new(History::of_head(history)));
        }
    }
    (state, meta.files, head)
}

/// Reads the frames behind the last one known, and applies them. Gives the
/// checkpoint that the journal ends with, if it ends with one.
///
/// # Errors
/// `Corrupt` for a bad frame that is followed by a sound one.
pub(crate) fn read_on(env: &Env, state: &mut State, apply: bool) -> Result<Option<CheckpointOp>> {
    let (pending, damage) = read_sound(env, state, apply)?;
    match damage {
        None => Ok(pending),
        Some(damage) => Err(damaged_frame(&env.folder.journal(), &damage)),
    }
}

/// Where a bad frame stands, and the sound one behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Damage {
    at: u64,
    sound_at: u64,
}

/// The same, but it stops before a bad frame and reports where that is.
pub(crate) fn read_sound(
    env: &Env,
    state: &mut State,
    apply: bool,
) -> Result<(Option<CheckpointOp>, Option<Damage>)> {
    let Some(journal) = state.journal.clone() else { return Ok((None, None)) };
    let path = env.folder.journal();
    let mut pending = None;
    let (end, tail) = read_frames(
        &journal.file,
        &path,
        journal.generation,
        journal.end,
        journal.sequence,
        |frame| apply_frame(env, state, &path, frame, apply, &mut pending),
    )?;
    let torn = match tail {
        Tail::Clean => 0,
        Tail::Torn { bytes } => bytes,
        Tail::Damaged { sound_at } => return Ok((pending, Some(Damage { at: end, sound_at }))),
    };
    if let Some(known) = &mut state.journal {
        known.torn = torn;
    }
    Ok((pending, None))
}

fn damaged_frame(path: &Path, damage: &Damage) -> Error {
    errors::corrupt("open the store", path, damage.at, "a frame of the journal is damaged")
        .with("next sound frame", damage.sound_at)
        .hint(format!(
            "put the folder back from a backup; or run {} to keep what is before the damaged \
             frame, or {} to give up the whole journal",
            Action::KeepJournal,
            Action::KeepFile
        ))
}

fn apply_frame(
    env: &Env,
    state: &mut State,
    path: &Path,
    frame: Frame,
    apply: bool,
    pending: &mut Option<CheckpointOp>,
) -> Result<()> {
    for op in decode_ops(&frame.payload) {
        let malformed = || errors::undecodable(path, frame.payload_at);
        let (op, at) = op.ok_or_else(malformed)?;
        if pending.is_some() {
            return Err(malformed());
        }
        match op {
            Op::Checkpoint(checkpoint) => *pending = Some(checkpoint),
            op if apply => {
                state.apply(env, op, frame.payload_at + at as u64).ok_or_else(malformed)?;
            }
            _ => {}
        }
    }
    state.end_frame(frame.sequence, frame.payload_at + frame.payload.len() as u64);
    Ok(())
}

/// The state behind a checkpoint whose frame is durable: its files are
/// complete, in their places or beside them.
fn load_pending(
    env: &Env,
    old: State,
    meta: Option<(MetaHead, Vec<MetaFile>)>,
    checkpoint: CheckpointOp,
) -> Result<State> {
    let wanted = |head: MetaHead| {
        head.generation == checkpoint.generation && head.crc == checkpoint.meta_crc
    };
    let (mut state, files) = match meta {
        Some((head, files)) if wanted(head) => (old, files),
        _ => {
            let path = env.folder.beside(META);
            let missing = || {
                errors::corrupt("open the store", &path, 0, "the new .meta of a checkpoint is lost")
                    .hint(restore_hint())
            };
            let journal = old.journal;
            let found = read_meta(&path)?.ok_or_else(missing)?;
            let (mut state, mut files, head) = from_meta(found, journal);
            selection::apply(&env.options, &mut state, &mut files);
            if !wanted(head) {
                return Err(missing());
            }
            (state, files)
        }
    };
    for file in &files {
        let data = open_pending(env, file, &checkpoint)?;
        state.files.push(data);
    }
    state.repair = Repair::Finish(checkpoint);
    Ok(state)
}

/// Finds a data file of a broken-off checkpoint: in its place or beside it.
fn open_pending(env: &Env, file: &MetaFile, checkpoint: &CheckpointOp) -> Result<DataFile> {
    let place = env.folder.data(&file.name);
    let replaced = checkpoint.files.iter().find(|replaced| replaced.name == file.name);
    if let Some(replaced) = replaced
        && let Some(data) = open_known(&env.folder.beside(&file.name), file)?
    {
        let old = digest_of_path(&place)?;
        if old == replaced.old {
            return Ok(data);
        }
        return Err(errors::edited(&place));
    }
    open_known(&place, file)?.ok_or_else(|| errors::edited(&place))
}
