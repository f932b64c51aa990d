//! What is known of the files once they were read.

use std::collections::{BTreeMap, BTreeSet};

use repo_core::{CollectionName, Result};

use crate::index::{Index, Place};
use crate::open_file::OpenFile;
use crate::plan::{FileRoute, Route};

/// The files, and where every entity is in them.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) routes: Vec<FileRoute>,
    pub(crate) files: Vec<OpenFile>,
    /// The collections that have a file.
    pub(crate) collections: BTreeMap<CollectionName, Index>,
    /// The numbers of the files that may hold entities of each.
    pub(crate) origins: BTreeMap<CollectionName, BTreeSet<u16>>,
    /// Most bytes of a document.
    pub(crate) max_entity_bytes: usize,
}

impl Loaded {
    /// Refuses to go on where a file is another one now, or has another content.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(OpenFile::check_unchanged)
    }

    pub(crate) fn file(&self, place: Place) -> Option<&OpenFile> {
        self.files.get(usize::from(place.file))
    }

    /// The way by which the entry of a place was found.
    pub(crate) fn file_route(&self, place: Place) -> Option<&FileRoute> {
        self.routes.get(usize::from(place.route))
    }

    /// The way by which the entity itself was found.
    pub(crate) fn route(&self, place: Place) -> Option<&Route> {
        self.file_route(place)?.root.all().get(usize::from(place.within)).copied()
    }

    /// Longest text of an entry that is read: white space, escapes and what is within it
    /// make it longer than the document.
    pub(crate) fn longest(max_entity_bytes: usize) -> usize {
        max_entity_bytes.saturating_mul(16).saturating_add(1 << 20)
    }
}
