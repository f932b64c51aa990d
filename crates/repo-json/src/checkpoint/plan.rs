//! What a checkpoint is going to write.

use std::collections::HashSet;
use std::path::Path;

use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::data_file::DataFile;
use crate::snapshot::Form;

/// A data file of the next generation.
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) old: Option<DataFile>,
    pub(super) collections: Vec<CollectionName>,
    pub(super) rewrite: bool,
}

impl Planned {
    pub(super) fn new(name: String, form: Form) -> Self {
        Self { name, form, old: None, collections: Vec::new(), rewrite: true }
    }

    pub(super) fn of(file: &DataFile) -> Self {
        let old = Some(file.clone());
        Self { old, rewrite: false, ..Self::new(file.name.clone(), file.form) }
    }
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
