//! What a checkpoint is going to write.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::data_file::DataFile;
use crate::env::Env;
use crate::errors;
use crate::feed_record::FeedRecord;
use crate::packed::Packing;
use crate::snapshot::Form;
use crate::span::Span;
use crate::state::State;

/// How the checkpoint frame gets into the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    /// At its end.
    Append,
    /// As the only frame of a journal that replaces it: for a store that has
    /// none, and when the old one is given up.
    Replace,
}

/// A data file of the next generation.
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) old: Option<DataFile>,
    /// The file that it takes the place of under another name.
    pub(super) gone: Option<DataFile>,
    pub(super) collections: Vec<CollectionName>,
    pub(super) rewrite: bool,
}

impl Planned {
    pub(super) fn new(name: String, form: Form) -> Self {
        Self { name, form, old: None, gone: None, collections: Vec::new(), rewrite: true }
    }

    /// The file that follows on one, kept so.
    pub(super) fn of(file: &DataFile, packing: Packing) -> Self {
        let before = Some(file.clone());
        if file.packing == packing {
            let rewrite = file.text.is_unpacked();
            return Self { old: before, rewrite, ..Self::new(file.name.clone(), file.form) };
        }
        let plain = file.packing.plain_name(&file.name).unwrap_or(&file.name);
        Self { gone: before, ..Self::new(packing.file_name(plain), file.form) }
    }

    /// The file that was there before.
    pub(super) fn before(&self) -> Option<&DataFile> {
        self.old.as_ref().or(self.gone.as_ref())
    }
}

/// What the next generation says of the change feed, and the places under which the
/// journal is kept, if it is.
pub(super) fn following(
    state: &State,
    feed: FeedRecord,
    publish: Publish,
) -> (Option<FeedRecord>, Option<Span>) {
    let Some(journal) = &state.journal else { return (Some(feed), None) };
    // Each edit has one place within the checkpoint frame.
    let end = feed.place(journal.end) + state.edits.count;
    let span = Span { first: feed.base, end, journal: journal.generation };
    let mut next = FeedRecord { base: end, ..feed };
    if state.edits.count > 0 {
        next.head = end;
    }
    if publish == Publish::Replace {
        // The old journal is given up, and nobody can say what of it was read: all
        // positions expire.
        next.capture.generation += 1;
        (next.head, next.trimmed) = (end, end);
        return (Some(next), None);
    }
    let keeps = next.capture.is_on() && span.first < span.end;
    (Some(next), keeps.then_some(span))
}

/// Two collections in one split file would be written over each other.
pub(super) fn refuse_shared(plan: &[Planned]) -> Result<()> {
    let mut names = HashSet::new();
    let Some(twice) = plan.iter().find(|planned| !names.insert(planned.name.as_str())) else {
        return Ok(());
    };
    let shared = |planned: &&Planned| planned.name == twice.name;
    let owners = plan.iter().filter(shared).flat_map(|planned| &planned.collections);
    let owners: Vec<&str> = owners.map(CollectionName::as_str).collect();
    Err(Error::new(
        ErrorKind::ConfigInvalid,
        "write a checkpoint",
        "two collections would share one data file",
    )
    .with("file", &twice.name)
    .with("collections", owners.join(", "))
    .hint("give each of them a file of its own in filenames.split_files; nothing was written"))
}

pub(super) fn stranger(path: &Path) -> Error {
    Error::new(
        ErrorKind::Foreign,
        "prepare",
        "a file that is not part of the store stands in the place of a data file",
    )
    .with("file", path.display())
    .hint("move it away, or open the store anew so that it is taken in")
}

/// A data file keeps the permissions that it has.
pub(super) fn keep_mode(env: &Env, planned: &Planned, new: &File, path: &Path) -> Result<()> {
    let Some(before) = planned.before() else { return Ok(()) };
    let place = env.folder.data(&before.name);
    fs::metadata(&place)
        .and_then(|old| new.set_permissions(old.permissions()))
        .map_err(|e| errors::io("create a file", path, e))
}
