//! Checkpoints: the journal's changes written into the data files.
//!
//! New files are written beside the old ones and synced; a synced frame in the
//! journal names them; only then do they take their places, and a fresh
//! journal follows. A process that finds that frame finishes the work, so
//! a process may be killed between any two steps.
//!
//! With generation G in use:
//! 1. what records were before is written into new files of `.history`, and
//!    the changed data files and `.meta` of G+1 beside the old ones
//!    and synced with the folder; the old data files are read once more, and
//!    one that this store does not know refuses the checkpoint;
//! 2. a checkpoint frame goes into the journal of G and is synced; it holds the
//!    old and new digests of the data files and the checksum of the new `.meta`;
//! 3. the data files are renamed, then `.meta`; the folder is synced. Where files are kept
//!    compressed now, or plain again, the new ones have other names, and the old ones are
//!    removed. While writes are captured, the journal gets a second name that keeps it;
//! 4. an empty journal of G+1 is written beside the old one and renamed.
//!
//! | found when opening | means |
//! |---|---|
//! | no checkpoint frame at the end of the journal | G counts; files beside are leftovers |
//! | a checkpoint frame at the end | G+1 counts; a writer finishes steps 3 and 4, a reader uses each file where it is |
//! | journal and `.meta` of one generation | nothing was under way |
//!
//! An error before step 2 leaves the store as it was; one after it stops the
//! handle, and the next opening finishes.

mod finish;
mod plan;

use plain_json::Signature;
use repo_core::strategy::StoreId;
use repo_core::{CollectionName, EntityId, Error, Result};

use crate::backup::{self, stamp};
use crate::data_file::{digest_of, digest_of_path};
use crate::env::Env;
use crate::errors;
use crate::feed_record::FeedRecord;
use crate::folder::{self, JOURNAL, META};
use crate::history::{self, HistoryHead};
use crate::hooks::Step;
use crate::journal::{CheckpointFile, CheckpointOp, Op, append, frame_of, push_op};
use crate::layout::Layout;
use crate::meta::{MetaFile, MetaWriter, StoreHead};
use crate::packed::Packing;
use crate::segments;
use crate::snapshot::{Form, SnapshotWriter, short_digest};
use crate::span::Span;
use crate::state::{Collection, JournalState, State};
use crate::table::{NO_DIGEST, Place};
pub(crate) use finish::{finish, place_files, remove_gone, start_journal};
use finish::{replace_journal, step, write_journal};
pub(crate) use plan::Publish;
use plan::{Planned, following, keep_mode, refuse_shared, stranger};

/// How far a checkpoint came when it failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store is as before; the files beside it were removed.
    Before(Error),
    /// The checkpoint frame may be in the journal: nothing more may be
    /// written by this handle.
    Within(Error),
}

/// Writes a checkpoint of `state`. Call it with the exclusive lock held. The
/// state has to be loaded anew afterwards. The first checkpoint of a store
/// makes it one of the newest layout.
pub(crate) fn run(env: &Env, state: &State, publish: Publish) -> std::result::Result<(), Failure> {
    // Files are compressed in the newest layout alone.
    if state.generation == 0 || state.packing == Packing::Zstd {
        return run_in_newest_layout(env, state, publish, state.packing);
    }
    run_as(env, state, (state.id, state.feed.clone()), publish, state.packing)
}

/// The same, which brings a store of an older layout to the newest, with data files that
/// are kept so.
pub(crate) fn run_in_newest_layout(
    env: &Env,
    state: &State,
    publish: Publish,
    packing: Packing,
) -> std::result::Result<(), Failure> {
    let id = state.id.map_or_else(StoreId::random, Ok).map_err(Failure::Before)?;
    let feed = state.feed.clone().unwrap_or_default();
    run_as(env, state, (Some(id), Some(feed)), publish, packing)
}

fn run_as(
    env: &Env,
    state: &State,
    (id, feed): (Option<StoreId>, Option<FeedRecord>),
    publish: Publish,
    packing: Packing,
) -> std::result::Result<(), Failure> {
    let (feed, kept) = feed.map_or((None, None), |feed| following(state, feed, publish));
    let writer = Writer { env, state, id, packing, feed, kept, generation: state.generation + 1 };
    let checkpoint = writer.write_files().map_err(|error| {
        writer.clean_up();
        Failure::Before(error)
    })?;
    publish_frame(env, state, &checkpoint, publish).inspect_err(|failure| {
        if matches!(failure, Failure::Before(_)) {
            writer.clean_up();
        }
    })?;
    finish(env, &checkpoint).map_err(Failure::Within)
}

fn publish_frame(
    env: &Env,
    state: &State,
    checkpoint: &CheckpointOp,
    publish: Publish,
) -> std::result::Result<(), Failure> {
    let mut payload = state.edits.payload.clone();
    push_op(&mut payload, &Op::Checkpoint(checkpoint.clone()));
    match (&state.journal, publish) {
        (Some(journal), Publish::Append) => append_frame(env, journal, &payload)?,
        _ => {
            write_journal(env, state.generation, Some(&payload)).map_err(Failure::Before)?;
            replace_journal(env).map_err(Failure::Within)?;
        }
    }
    step(env, Step::FramePublished).map_err(Failure::Within)
}

fn append_frame(
    env: &Env,
    journal: &JournalState,
    payload: &[u8],
) -> std::result::Result<(), Failure> {
    let frame = frame_of(journal.generation, journal.sequence + 1, payload);
    let path = env.folder.journal();
    let failed = |e| errors::io("write the journal", &path, e);
    if let Err(error) = append(&journal.file, journal.end, &frame) {
        let cut = journal.file.set_len(journal.end);
        let error = failed(error);
        return Err(if cut.is_ok() { Failure::Before(error) } else { Failure::Within(error) });
    }
    env.hooks.count_sync();
    journal.file.sync_data().map_err(|e| Failure::Within(failed(e)))
}

/// Writes the files of the next generation beside those of this one.
struct Writer<'a> {
    env: &'a Env,
    state: &'a State,
    id: Option<StoreId>,
    packing: Packing,
    feed: Option<FeedRecord>,
    /// Where the journal that ends is kept.
    kept: Option<Span>,
    generation: u64,
}

impl Writer<'_> {
    fn write_files(&self) -> Result<CheckpointOp> {
        let env = self.env;
        let plan = self.plan();
        refuse_shared(&plan)?;
        env.folder.refuse_links()?;
        if self.kept.is_some() {
            segments::make_folder(&env.folder)?;
        }
        let histories = self.write_histories()?;
        let path = env.folder.beside(META);
        let buffer = env.settings.write_buffer_size.get();
        let store = StoreHead {
            generation: self.generation,
            id: self.id,
            packing: self.packing,
            role: &self.state.role,
            job: self.state.job.as_ref(),
            feed: self.feed.as_ref(),
            items: &self.state.items,
            histories: &histories,
        };
        let collections = self.state.collections.len();
        let mut meta = MetaWriter::new(folder::create(&path)?, &path, buffer, store, collections)?;
        let mut files = self.write_collections(&plan, &mut meta)?;
        files.sort_by_key(|(index, _)| *index);
        let files: Vec<MetaFile> = files.into_iter().map(|(_, file)| file).collect();
        let meta_crc = meta.finish(&files)?;
        env.folder.sync()?;
        step(env, Step::FilesWritten)?;
        let replaced = self.replaced(&plan, &files)?;
        backup::keep_copies(env, self.generation, &replaced)?;
        step(env, Step::BackedUp)?;
        let (generation, kept) = (self.generation, self.kept);
        Ok(CheckpointOp { generation, meta_crc, files: replaced, kept })
    }

    /// Writes what records were before into files that count with the new `.meta`.
    fn write_histories(&self) -> Result<Vec<HistoryHead>> {
        let env = self.env;
        if self.state.generation == 0 {
            history::set_aside(&env.folder, &stamp(env.options.clock.now()))?;
        }
        let mut heads = Vec::new();
        for (name, collection) in &self.state.collections {
            let Some(history) = &collection.history else { continue };
            let files = history::FilesOf {
                folder: &env.folder,
                name,
                documents: self.state.documents(env, collection),
                generation: self.generation,
                buffer: env.settings.write_buffer_size.get(),
            };
            heads.push(history::write_files(history, &files)?);
            step(env, Step::HistoryWritten)?;
        }
        Ok(heads)
    }

    /// The data files of the next generation.
    fn plan(&self) -> Vec<Planned> {
        let layout = &self.state.layout;
        let mut plan: Vec<Planned> = {
            let files = self.state.files.iter();
            files.map(|file| Planned::of(file, self.packing)).collect()
        };
        if let (Layout::Single(name), true) = (layout, plan.is_empty()) {
            plan.push(Planned::new(self.packing.file_name(name), Form::Single));
        }
        for (name, collection) in &self.state.collections {
            let index = match (collection.file, layout) {
                (Some(index), _) => index,
                (None, Layout::Single(_)) => 0,
                (None, Layout::Split(_)) => {
                    let file = self.packing.file_name(&layout.file_of(name));
                    plan.push(Planned::new(file, Form::Plain));
                    plan.len() - 1
                }
            };
            if let Some(planned) = plan.get_mut(index) {
                planned.collections.push(name.clone());
                planned.rewrite |= collection.dirty || collection.file.is_none();
            }
        }
        plan
    }

    /// Writes all collections, in the order of their names, into `.meta`, and
    /// those of changed files into new files.
    fn write_collections(
        &self,
        plan: &[Planned],
        meta: &mut MetaWriter,
    ) -> Result<Vec<(usize, MetaFile)>> {
        let mut open: Option<(usize, SnapshotWriter)> = None;
        let mut files = Vec::new();
        for (index, planned) in plan.iter().enumerate().filter(|(_, p)| p.collections.is_empty()) {
            files.push((index, self.empty_file(planned)?));
        }
        for (name, collection) in &self.state.collections {
            let place = plan.iter().position(|planned| planned.collections.contains(name));
            let Some((index, planned)) = place.and_then(|at| Some((at, plan.get(at)?))) else {
                continue;
            };
            if planned.rewrite && open.as_ref().is_none_or(|(at, _)| *at != index) {
                open = Some((index, self.create(planned)?));
            }
            let out = open.as_mut().filter(|_| planned.rewrite).map(|(_, writer)| writer);
            self.write_collection(name, collection, index, out, meta)?;
            if planned.collections.last() == Some(name) {
                let file = match open.take_if(|(at, _)| *at == index) {
                    Some((_, writer)) => self.close(planned, writer)?,
                    None => self.unchanged(planned)?,
                };
                files.push((index, file));
            }
        }
        Ok(files)
    }

    fn create(&self, planned: &Planned) -> Result<SnapshotWriter> {
        let path = self.env.folder.beside(&planned.name);
        let file = folder::create(&path)?;
        keep_mode(self.env, planned, &file, &path)?;
        let settings = &self.env.settings;
        SnapshotWriter::new(
            file,
            &path,
            (planned.form, self.packing),
            settings.pretty_print,
            settings.write_buffer_size.get(),
        )
    }

    fn close(&self, planned: &Planned, writer: SnapshotWriter) -> Result<MetaFile> {
        let path = self.env.folder.beside(&planned.name);
        let (file, digest) = writer.finish()?;
        let signature = Signature::of_file(&file, &path)?;
        let (name, packing, form) = (planned.name.clone(), self.packing, planned.form);
        Ok(MetaFile { name, packing, form, signature, digest })
    }

    fn empty_file(&self, planned: &Planned) -> Result<MetaFile> {
        match &planned.old {
            Some(old) => Ok(old.to_meta()),
            None => self.close(planned, self.create(planned)?),
        }
    }

    fn unchanged(&self, planned: &Planned) -> Result<MetaFile> {
        match &planned.old {
            Some(old) => Ok(old.to_meta()),
            None => self.empty_file(planned),
        }
    }

    fn write_collection(
        &self,
        name: &CollectionName,
        collection: &Collection,
        file: usize,
        mut out: Option<&mut SnapshotWriter>,
        meta: &mut MetaWriter,
    ) -> Result<()> {
        let mut head = collection.head(name);
        head.file = Some(file);
        meta.begin(&head, collection.table.records())?;
        if let Some(out) = &mut out {
            out.begin(name)?;
        }
        let documents = self.state.documents(self.env, collection);
        for (id, slot, known) in collection.table.after(None) {
            let (mut slot, mut digest) = (*slot, known);
            if slot.is_live() && (out.is_some() || digest == NO_DIGEST) {
                let document = documents.read(&slot)?;
                if digest == NO_DIGEST {
                    digest = short_digest(&document);
                }
                if let Some(out) = &mut out {
                    let span = out.entity(&EntityId::new(id)?, &document)?;
                    slot.offset = span.offset;
                    slot.len = span.len;
                    slot.place = Place::Data;
                }
            }
            meta.record(id, &slot, digest)?;
        }
        match out {
            Some(out) => out.end(),
            None => Ok(()),
        }
    }

    /// The files that the checkpoint replaces. What stands in their places is
    /// read once more: nothing but what this store knows may be overwritten.
    fn replaced(&self, plan: &[Planned], files: &[MetaFile]) -> Result<Vec<CheckpointFile>> {
        let mut replaced = Vec::new();
        for (planned, new) in plan.iter().zip(files) {
            if planned.old.as_ref().is_some_and(|old| old.to_meta() == *new) {
                continue;
            }
            let place = self.env.folder.data(&planned.name);
            folder::refuse_link(&place)?;
            let there = folder::open_if_there(&place)?;
            let found = there.map(|file| digest_of(&file, &place)).transpose()?;
            let old = planned.old.as_ref().map(|old| old.digest);
            if found != old {
                return Err(match old {
                    Some(_) => errors::edited(&place),
                    None if planned.gone.is_some() => stranger(&place).hint("move it away"),
                    None => stranger(&place),
                });
            }
            let new_digest = Some(new.digest);
            replaced.push(CheckpointFile { name: new.name.clone(), old, new: new_digest });
            if let Some(gone) = &planned.gone {
                let place = self.env.folder.data(&gone.name);
                if digest_of_path(&place)? != Some(gone.digest) {
                    return Err(errors::edited(&place));
                }
                let (name, old) = (gone.name.clone(), Some(gone.digest));
                replaced.push(CheckpointFile { name, old, new: None });
            }
        }
        Ok(replaced)
    }

    /// Removes what a failed checkpoint left beside the files.
    fn clean_up(&self) {
        let plan = self.plan();
        for name in plan.iter().map(|planned| planned.name.as_str()).chain([META, JOURNAL]) {
            if let Err(error) = folder::remove_if_there(&self.env.folder.beside(name)) {
                tracing::warn!(%error, "a file of a failed checkpoint could not be removed");
            }
        }
        let listed = self.state.history_files().map(str::to_owned).collect();
        if let Err(error) = history::remove_unlisted(&self.env.folder, &listed) {
            tracing::warn!(%error, "a file of a failed checkpoint could not be removed");
        }
    }
}
