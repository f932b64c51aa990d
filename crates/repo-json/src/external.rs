//! Data files that something else wrote: taken in with versions that rise,
//! never silently, and never over commits that are only in the journal.

use std::iter::Peekable;
use std::path::Path;

use plain_json::{Signature, TheirLock};
use repo_core::{CollectionName, Result};

use crate::data_file::{DataFile, Tables, open_compared, scan, scan_with};
use crate::env::Env;
use crate::errors;
use crate::layout::Layout;
use crate::meta::MetaFile;
use crate::packed::Packing;
use crate::state::{Collection, Edits, Repair, State};
use crate::table::{NO_DIGEST, Place, Records, ShortDigest, Slot, Table};

/// The coarsest step in which file systems count modification times, in
/// microseconds.
const TICK: i64 = 10_000;

/// A store without `.meta`: every entity has version 1, its times are those
/// of its file.
pub(crate) fn adopt(env: &Env, layout: &Layout, packing: Packing) -> Result<State> {
    let mut state = State { packing, ..State::default() };
    let existing = layout.existing(env, packing, true)?;
    let _theirs = their_locks(env, &existing)?;
    for (name, of) in existing {
        // A read-only handle never needs the digests.
        let digests = !env.options.read_only;
        // In an edited store an entity that is left out would seem deleted;
        // here nothing is known of it yet.
        let set_aside = env.options.on_unreadable().continues();
        let found = scan_with(env, (&name, packing), of.as_ref(), digests, set_aside)?;
        let Some(found) = found else { continue };
        let index = state.files.len();
        state.files.push(found.data);
        state.left_out.extend(found.left_out);
        for (name, table) in found.tables {
            let collection = Collection::found(env, &name, index, table);
            state.collections.insert(name, collection);
        }
    }
    state.left_out.extend(layout.left_out(env, packing)?);
    if state.exists() {
        state.repair = Repair::Rebase;
        state.invents_versions = true;
    } else {
        layout.refuse_other_layout(env)?;
    }
    Ok(state)
}

/// The locks of a program that writes such files under locks of its own, as the Open
/// Resource Broker does: beside each file one of its name.
fn their_locks(
    env: &Env,
    files: &[(String, Option<CollectionName>)],
) -> Result<Vec<Option<TheirLock>>> {
    let path = |name: &str| env.folder.data(&format!(".{name}.lock"));
    files.iter().map(|(name, _)| TheirLock::shared(&path(name))).collect()
}

/// Opens the data files of a state that was read from `.meta` and journal,
/// and takes in what was edited.
pub(crate) fn attach(
    env: &Env,
    layout: &Layout,
    mut state: State,
    files: &[MetaFile],
) -> Result<State> {
    let written = Signature::of_path(&env.folder.meta())?;
    for (index, file) in files.iter().enumerate() {
        let path = env.folder.data(&file.name);
        if let Some(data) = open_compared(&path, file, is_settled(file, written))? {
            state.files.push(data);
            continue;
        }
        refuse_over_journal(&state, &path)?;
        let of = if file.form == crate::snapshot::Form::Single { None } else { state.owner(index) };
        let (data, tables) = scan(env, &file.name, file.packing, of.as_ref(), true)?
            .ok_or_else(|| errors::missing(&path))?;
        merge(env, &mut state, data, tables, &mut KnownDigests)?;
    }
    merge_new_files(env, layout, &mut state)?;
    Ok(state)
}

/// Whether every edit after `.meta` was written shows in the modification
/// time: not if the file was written in the same tick of the clock.
fn is_settled(file: &MetaFile, meta: Option<Signature>) -> bool {
    let before = file.signature.mtime_micros().saturating_add(TICK);
    meta.is_some_and(|meta| before < meta.mtime_micros())
}

/// Split files of declared collections that came since the last checkpoint.
fn merge_new_files(env: &Env, layout: &Layout, state: &mut State) -> Result<()> {
    let Layout::Split(_) = layout else { return Ok(()) };
    let packing = state.packing;
    for (name, of) in layout.existing(env, packing, false)? {
        if state.files.iter().any(|file| file.name == name) {
            continue;
        }
        refuse_over_journal(state, &env.folder.data(&name))?;
        if let Some((data, tables)) = scan(env, &name, packing, of.as_ref(), true)? {
            merge(env, state, data, tables, &mut KnownDigests)?;
        }
    }
    let known = |name: &CollectionName| {
        state.collections.contains_key(name) || !env.options.selects(name.as_str())
    };
    let strangers: Vec<_> =
        layout.strangers(env, packing)?.into_iter().filter(|n| !known(n)).collect();
    for stranger in strangers {
        let file = packing.file_name(&format!("{stranger}.json"));
        state.notices.push(format!(
            "{file} is not part of the store; name it in filenames.split_files to take it in"
        ));
    }
    Ok(())
}

fn refuse_over_journal(state: &State, path: &Path) -> Result<()> {
    match &state.journal {
        Some(journal) if journal.has_records => Err(errors::edited(path)),
        _ => Ok(()),
    }
}

/// How an edited file is weighed against what the store knows.
pub(crate) trait MergePolicy {
    /// The digest of the document of a known record.
    fn digest(
        &mut self,
        _state: &State,
        _collection: &Collection,
        _slot: &Slot,
        known: ShortDigest,
    ) -> Result<ShortDigest> {
        Ok(known)
    }

    /// Whether the known record stays whatever the file says.
    fn stays(&self, _collection: &CollectionName, _id: &str) -> bool {
        false
    }
}

/// The file decides; all digests are known from `.meta`.
pub(crate) struct KnownDigests;

impl MergePolicy for KnownDigests {}

/// Replaces what is known of a data file by what it holds now.
pub(crate) fn merge(
    env: &Env,
    state: &mut State,
    data: DataFile,
    mut tables: Tables,
    policy: &mut dyn MergePolicy,
) -> Result<Differences> {
    let index = state.files.len();
    let path = data.path.clone();
    let time = data.signature.mtime_micros();
    let known = concerned(state, index, &tables);
    let mut seen = Differences::default();
    // Only a writer records them.
    let mut edits = (state.captures() && !env.options.read_only).then(Edits::default);
    for name in known {
        let found = tables.remove(&name).unwrap_or_default();
        let Some(collection) = state.collections.get(&name) else { continue };
        let merge = Merge { state, collection, name: &name, time };
        let (table, differences, replaced) = merge.run(&found, policy, edits.as_mut())?;
        seen.add(&differences);
        if let Some(collection) = state.collections.get_mut(&name) {
            collection.keep_replaced(replaced);
            collection.dirty = differences.kept > 0;
            collection.table = table;
            collection.file = Some(index);
            collection.indexes = None;
        }
    }
    for (name, table) in tables {
        seen.added += table.live();
        if let Some(edits) = &mut edits {
            table.after(None).for_each(|(id, slot, _)| edits.push(&name, id, slot));
        }
        state.collections.insert(name.clone(), Collection::found(env, &name, index, table));
    }
    if let Some(edits) = edits {
        state.edits.append(edits);
    }
    state.files.push(data);
    state.repair = Repair::Rebase;
    tell(state, &path, &seen);
    Ok(seen)
}

/// The known collections that a data file holds, or held.
fn concerned(state: &State, file: usize, tables: &Tables) -> Vec<CollectionName> {
    let concerned = |(name, c): &(&CollectionName, &Collection)| {
        c.file == Some(file) || tables.contains_key(*name)
    };
    state.collections.iter().filter(concerned).map(|(name, _)| name.clone()).collect()
}

/// Nothing is taken in silently.
fn tell(state: &mut State, path: &Path, seen: &Differences) {
    let Differences { changed, added, removed, .. } = seen;
    tracing::warn!(file = %path.display(), changed, added, removed,
        "a data file was changed by something else and taken in");
    state.notices.push(format!(
        "{} was changed by something else and taken in: {changed} changed, {added} added, \
         {removed} removed",
        path.display()
    ));
}

/// What is known of a collection that no file holds is removed from it: the
/// files are the truth.
pub(crate) fn merge_removal(
    state: &mut State,
    name: &CollectionName,
    time: i64,
    policy: &mut dyn MergePolicy,
) -> Result<Differences> {
    let Some(collection) = state.collections.get(name) else { return Ok(Differences::default()) };
    let merge = Merge { state, collection, name, time };
    let (table, differences, replaced) = merge.run(&Table::default(), policy, None)?;
    if let Some(collection) = state.collections.get_mut(name) {
        collection.keep_replaced(replaced);
        collection.table = table;
    }
    Ok(differences)
}

/// How many records an edited file changes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) changed: u64,
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// Records that stay although the file says otherwise.
    pub(crate) kept: u64,
}

impl Differences {
    pub(crate) fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.added += other.added;
        self.removed += other.removed;
        self.kept += other.kept;
    }
}

/// Merges what is known of a collection with what its file holds.
struct Merge<'a> {
    state: &'a State,
    collection: &'a Collection,
    name: &'a CollectionName,
    /// The modification time of the file, in microseconds since 1970.
    time: i64,
}

impl Collection {
    /// Keeps, where history is kept, what an edit replaced: that it was there, and the
    /// document if that stands in the journal. The file that held the others is gone.
    fn keep_replaced(&mut self, replaced: Vec<Replaced>) {
        if let Some(history) = &mut self.history {
            history.lose_data_file();
            for (id, slot, digest) in replaced {
                history.edited(&id, slot, digest);
            }
        }
    }
}

/// A record that an edit replaced.
type Replaced = (Box<str>, Slot, ShortDigest);

type Item<'t> = (&'t str, &'t Slot, ShortDigest);

impl Merge<'_> {
    fn run(
        &self,
        found: &Table,
        policy: &mut dyn MergePolicy,
        mut edits: Option<&mut Edits>,
    ) -> Result<(Table, Differences, Vec<Replaced>)> {
        let mut replaced = Vec::new();
        let mut known = self.collection.table.after(None).peekable();
        let mut found = found.after(None).peekable();
        let mut table = Table::default();
        let mut differences = Differences::default();
        while let Some((known, found)) = next_pair(&mut known, &mut found) {
            let id = known.or(found).map_or("", |item| item.0);
            let (slot, digest) = match known {
                Some(known) if policy.stays(self.name, id) => {
                    differences.kept += 1;
                    (*known.1, known.2)
                }
                _ => self.choose(known, found, policy, &mut differences)?,
            };
            if known.is_none_or(|(_, known, _)| known.version != slot.version) {
                if let Some(edits) = &mut edits {
                    edits.push(self.name, id, &slot);
                }
                if let Some((_, old, digest)) = known.filter(|_| self.collection.history.is_some())
                {
                    replaced.push((id.into(), *old, digest));
                }
            }
            table.push(id, slot, digest);
        }
        Ok((table, differences, replaced))
    }

    fn choose(
        &self,
        known: Option<Item<'_>>,
        found: Option<Item<'_>>,
        policy: &mut dyn MergePolicy,
        differences: &mut Differences,
    ) -> Result<(Slot, ShortDigest)> {
        Ok(match (known, found) {
            (Some((_, old, _)), None) if !old.is_live() => (*old, NO_DIGEST),
            (Some((_, old, _)), None) => {
                differences.removed += 1;
                (Slot::tombstone(old.version.saturating_add(1), self.time), NO_DIGEST)
            }
            (Some((_, old, known)), Some((_, new, digest))) if old.is_live() => {
                let known = policy.digest(self.state, self.collection, old, known)?;
                let created_at = old.created_at;
                if known == digest {
                    let (version, updated_at) = (old.version, old.updated_at);
                    (Slot { version, created_at, updated_at, ..*new }, digest)
                } else {
                    differences.changed += 1;
                    (Slot { version: old.version.saturating_add(1), created_at, ..*new }, digest)
                }
            }
            (old, Some((_, new, digest))) => {
                differences.added += 1;
                let last = old.map_or(self.collection.floor, |(_, old, _)| old.version);
                (Slot { version: last.saturating_add(1), ..*new }, digest)
            }
            (None, None) => (Slot { place: Place::Gone, ..Slot::tombstone(1, 0) }, NO_DIGEST),
        })
    }
}

/// The next id of two ordered sequences, with what each has of it.
fn next_pair<'t>(
    known: &mut Peekable<Records<'t>>,
    found: &mut Peekable<Records<'t>>,
) -> Option<(Option<Item<'t>>, Option<Item<'t>>)> {
    use std::cmp::Ordering;
    let order = match (known.peek(), found.peek()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(known), Some(found)) => known.0.cmp(found.0),
    };
    Some(match order {
        Ordering::Less => (known.next(), None),
        Ordering::Greater => (None, found.next()),
        Ordering::Equal => (known.next(), found.next()),
    })
}
