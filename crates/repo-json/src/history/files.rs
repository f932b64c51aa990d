//! The folder of history files. Each is called after its collection and the checkpoint
//! that wrote it: `.history/COLLECTION-GENERATION.jsonl`. One that `.meta` does not
//! list does not count, and is removed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use repo_core::{CollectionName, Result};

use crate::errors;
use crate::folder::{self, Folder};

/// Digits of a generation in a name.
const DIGITS: usize = 10;
const SUFFIX: &str = ".jsonl";
const LOOK: &str = "look at the history";

pub(super) fn name_of(collection: &CollectionName, generation: u64) -> String {
    format!("{collection}-{generation:0DIGITS$}{SUFFIX}")
}

/// Whether a file may be one of ours.
fn is_ours(name: &str) -> bool {
    let parts = name.strip_suffix(SUFFIX).and_then(|stem| stem.rsplit_once('-'));
    let named = parts.and_then(|(collection, generation)| {
        Some(name_of(&CollectionName::new(collection).ok()?, generation.parse().ok()?))
    });
    named.as_deref() == Some(name)
}

/// The names in the folder; none where there is no folder.
fn names(path: &Path) -> Result<Vec<String>> {
    let failed = |e| errors::io(LOOK, path, e);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Makes the folder, durably.
pub(super) fn make_folder(folder: &Folder) -> Result<()> {
    let path = folder.history();
    folder::refuse_link(&path)?;
    if !path.is_dir() {
        folder::make_folder("keep the history", &path)?;
        folder.sync()?;
    }
    Ok(())
}

/// Refuses links in the places of these files.
pub(crate) fn refuse_links<'n>(
    folder: &Folder,
    mut names: impl Iterator<Item = &'n str>,
) -> Result<()> {
    names.try_for_each(|name| folder::refuse_link(&folder.history().join(name)))
}

/// Removes the history files that are not among these, durably: those that a
/// checkpoint merged, that one left which failed, and those of a history that ended.
pub(crate) fn remove_unlisted(folder: &Folder, listed: &BTreeSet<String>) -> Result<()> {
    let path = folder.history();
    let names = names(&path)?;
    let unlisted: Vec<_> =
        names.iter().filter(|name| is_ours(name) && !listed.contains(*name)).collect();
    if !unlisted.is_empty() {
        unlisted.iter().try_for_each(|name| folder::remove_if_there(&path.join(name)))?;
        folder::sync_folder(&path)?;
    }
    // Not if something else stands in it.
    if listed.is_empty() && path.is_dir() && fs::remove_dir(&path).is_ok() {
        folder.sync()?;
    }
    Ok(())
}

/// Gives the folder another name, before a store is made to which its files do not
/// belong: they are of one whose `.meta` is lost.
pub(crate) fn set_aside(folder: &Folder, stamp: &str) -> Result<()> {
    let path = folder.history();
    if names(&path)?.iter().any(|name| is_ours(name)) {
        let aside = folder.path().join(format!("{}.{stamp}.set-aside", folder::HISTORY));
        tracing::warn!(folder = %aside.display(), "the history of an earlier store is set aside");
        folder::rename(&path, &aside)?;
        folder.sync()?;
    }
    Ok(())
}
