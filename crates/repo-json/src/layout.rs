//! Which data files a store has, and under which names.
//!
//! One folder is one store. `.meta` says what it holds. Without `.meta`, every
//! `*.json` of a split folder whose name could be a collection belongs to the
//! store, so that a migration leaves none out; one that is no collection is
//! refused by name, and naming the files in the configuration restricts the
//! store to those. With `.meta`, only files of declared or named collections
//! are taken in, and `health` names the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::config::{DEFAULT_SINGLE_FILE, StorageType};
use crate::env::Env;
use crate::errors;
use crate::folder;
use crate::meta::{Meta, MetaFile};
use crate::packed::Packing;
use crate::snapshot::Form;

/// Where collections are kept. Names are those of plain files; compressed ones have an
/// ending more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All in the file of this name.
    Single(String),
    /// Each in a file of its own; those that are not named here in
    /// `<collection>.json`.
    Split(BTreeMap<CollectionName, String>),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Single(DEFAULT_SINGLE_FILE.to_owned())
    }
}

impl Layout {
    /// The layout of a store, as configured or as found, and how its files are kept.
    ///
    /// # Errors
    /// `ConfigInvalid` when the store was made in another layout, and for plain and
    /// compressed files of which nothing says which count.
    pub(crate) fn resolve(env: &Env, meta: Option<&Meta>) -> Result<(Self, Packing)> {
        if let Some(meta) = meta {
            return Ok((Self::resolve_in(env, Some(meta), meta.packing)?, meta.packing));
        }
        let mut found = Vec::new();
        for packing in Packing::ALL {
            let layout = Self::resolve_in(env, None, packing)?;
            let first = layout.existing(env, packing, true)?.into_iter().next();
            let left_out = layout.left_out(env, packing)?.into_iter().next();
            let file = first.map(|(file, _)| file);
            if let Some(file) = file.or(left_out.map(|name| layout.file_of(&name))) {
                found.push((layout, packing, file));
            }
        }
        if let [(_, _, plain), (_, _, packed), ..] = found.as_slice() {
            return Err(two_packings(env, plain, packed));
        }
        if let Some((layout, packing, _)) = found.into_iter().next() {
            return Ok((layout, packing));
        }
        let packing = env.settings.packing().unwrap_or_default();
        Ok((Self::resolve_in(env, None, packing)?, packing))
    }

    fn resolve_in(env: &Env, meta: Option<&Meta>, packing: Packing) -> Result<Self> {
        let names = &env.settings.filenames;
        let found = meta.filter(|meta| !meta.files.is_empty()).map(Self::of_meta);
        let layout = match env.settings.storage_type {
            StorageType::SingleFile => Self::Single(names.single_file.clone()),
            StorageType::SplitFiles => Self::Split(names.split_files.clone()),
            StorageType::Detect => {
                return match found {
                    Some(found) => Ok(found),
                    None => Self::detect(env, packing),
                };
            }
        };
        match found {
            Some(found) if !layout.agrees_with(&found) => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "open the store",
                "the store in this folder was made with other files than the configuration names",
            )
            .with("store", &env.location)
            .with("found", found.describe())
            .with("configured", layout.describe())
            .hint("set storage_type and filenames as the store has them, or name it json:DIR")),
            _ => Ok(layout),
        }
    }

    fn of_meta(meta: &Meta) -> Self {
        let plain = |file: &MetaFile| meta.packing.plain_name(&file.name).map(str::to_owned);
        let single = meta.files.iter().find(|file| file.form == Form::Single);
        if let Some(single) = single.and_then(plain) {
            return Self::Single(single);
        }
        let named = |head: &crate::meta::CollectionHead| {
            let file = meta.files.get(head.file?)?;
            Some((head.name.clone(), plain(file)?))
        };
        Self::Split(meta.collections.iter().filter_map(|c| named(&c.head)).collect())
    }

    /// Whether the files found are the ones this layout names.
    fn agrees_with(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Single(mine), Self::Single(theirs)) => mine == theirs,
            (Self::Split(_), Self::Split(theirs)) => {
                theirs.iter().all(|(collection, file)| self.file_of(collection) == *file)
            }
            _ => false,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Single(name) => format!("single_file {name}"),
            Self::Split(names) if names.is_empty() => "split_files".to_owned(),
            Self::Split(names) => {
                let names: Vec<&str> = names.values().map(String::as_str).collect();
                format!("split_files {}", names.join(", "))
            }
        }
    }

    /// What a folder without `.meta` holds: a single file goes before split
    /// ones; an empty folder becomes a single file.
    fn detect(env: &Env, packing: Packing) -> Result<Self> {
        let names = &env.settings.filenames;
        let single = Self::Single(names.single_file.clone());
        let split = Self::Split(names.split_files.clone());
        let single_file = packing.file_name(&names.single_file);
        if folder::is_there(&env.folder.data(&single_file))? {
            return match split.existing(env, packing, false)?.into_iter().next() {
                None => Ok(single),
                Some((found, _)) => Err(two_layouts(env, &single_file, &found)),
            };
        }
        let is_split = !split.existing(env, packing, true)?.is_empty()
            || !split.left_out(env, packing)?.is_empty();
        Ok(if is_split { split } else { single })
    }

    /// The name of the file that a collection is kept in, while it is plain.
    pub(crate) fn file_of(&self, collection: &CollectionName) -> String {
        match self {
            Self::Single(name) => name.clone(),
            Self::Split(names) => {
                names.get(collection).cloned().unwrap_or_else(|| format!("{collection}.json"))
            }
        }
    }

    /// Refuses two collections in one split file: those that the
    /// configuration names, those that are declared, and `more`. One would
    /// replace the other at the next checkpoint.
    pub(crate) fn refuse_shared_file<'c>(
        &'c self,
        env: &'c Env,
        more: impl Iterator<Item = &'c CollectionName>,
    ) -> Result<()> {
        let Self::Split(names) = self else { return Ok(()) };
        let declared = env.options.schemas.iter().map(|schema| &schema.collection);
        let mut seen: BTreeMap<String, &CollectionName> = BTreeMap::new();
        for collection in names.keys().chain(declared).chain(more) {
            let Some(other) = seen.insert(self.file_of(collection), collection) else { continue };
            if other != collection {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "open the store",
                    "two collections share one file",
                )
                .with("store", &env.location)
                .with("file", self.file_of(collection))
                .with("collections", format!("{other}, {collection}"))
                .hint("give each collection its own file in filenames.split_files"));
            }
        }
        Ok(())
    }

    /// Whether any data file is there, plain or compressed.
    pub(crate) fn has_files(&self, env: &Env) -> Result<bool> {
        for packing in Packing::ALL {
            if !self.existing(env, packing, true)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The data files that are there, with the collection of a split one.
    /// `strangers`: also files of collections that are neither declared nor
    /// named in the configuration.
    pub(crate) fn existing(
        &self,
        env: &Env,
        packing: Packing,
        strangers: bool,
    ) -> Result<Vec<(String, Option<CollectionName>)>> {
        if let Self::Single(name) = self {
            let file = packing.file_name(name);
            let there = usable(env, &file)?;
            return Ok(there.then_some((file, None)).into_iter().collect());
        }
        let mut found = Vec::new();
        for name in self.possible(env, packing, strangers)? {
            if !env.options.selects(name.as_str()) {
                continue;
            }
            let file = packing.file_name(&self.file_of(&name));
            if usable(env, &file)? {
                found.push((file, Some(name)));
            }
        }
        Ok(found)
    }

    /// The collections that a split file may be there for.
    fn possible(
        &self,
        env: &Env,
        packing: Packing,
        strangers: bool,
    ) -> Result<BTreeSet<CollectionName>> {
        let Self::Split(names) = self else { return Ok(BTreeSet::new()) };
        let mut collections: BTreeSet<CollectionName> = names.keys().cloned().collect();
        collections.extend(env.options.schemas.iter().map(|schema| schema.collection.clone()));
        if strangers && names.is_empty() {
            collections.extend(self.strangers(env, packing)?);
        }
        Ok(collections)
    }

    /// The collections of split files that the selection leaves closed. They
    /// are not looked at beyond that.
    pub(crate) fn left_out(&self, env: &Env, packing: Packing) -> Result<BTreeSet<CollectionName>> {
        if env.options.selection().is_none() {
            return Ok(BTreeSet::new());
        }
        let left_out = |name: &CollectionName| {
            !env.options.selects(name.as_str())
                && fs::symlink_metadata(env.folder.data(&packing.file_name(&self.file_of(name))))
                    .is_ok()
        };
        Ok(self.possible(env, packing, true)?.into_iter().filter(left_out).collect())
    }

    /// Refuses to see no store where one of the other layout is: a folder
    /// configured as a single file that holds files of declared collections.
    pub(crate) fn refuse_other_layout(&self, env: &Env) -> Result<()> {
        let Self::Single(name) = self else { return Ok(()) };
        let split = Self::Split(env.settings.filenames.split_files.clone());
        let mut found = Vec::new();
        for packing in Packing::ALL {
            found.extend(split.existing(env, packing, false)?);
        }
        let Some((found, _)) = found.into_iter().next() else { return Ok(()) };
        Err(Error::new(
            ErrorKind::ConfigInvalid,
            "open the store",
            "the folder holds split files, and the configuration names a single file",
        )
        .with("store", &env.location)
        .with("found", found)
        .with("configured", name)
        .hint("set storage_type to split_files, or name the store json:DIR"))
    }

    /// The collections of all files of the folder that are named like one.
    pub(crate) fn strangers(&self, env: &Env, packing: Packing) -> Result<Vec<CollectionName>> {
        let path = env.folder.path();
        let failed = |e| errors::io("read the folder", path, e);
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let plain = name.to_str().and_then(|name| packing.plain_name(name));
            let stem = plain.and_then(|name| name.strip_suffix(".json"));
            let collection = stem.and_then(|stem| CollectionName::new(stem).ok());
            let Some(collection) = collection else { continue };
            let selected = env.options.selects(collection.as_str());
            if !entry.path().is_dir() && (!selected || folder::is_there(&entry.path())?) {
                found.push(collection);
            }
        }
        Ok(found)
    }
}

/// Whether a data file is there; where it may be replaced it must be no link.
fn usable(env: &Env, file: &str) -> Result<bool> {
    let path = env.folder.data(file);
    if !env.options.read_only {
        folder::refuse_link(&path)?;
    }
    folder::is_there(&path)
}

fn two_packings(env: &Env, plain: &str, packed: &str) -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "open the store",
        "the folder holds plain files and compressed ones, and no .meta says which are the store",
    )
    .with("store", &env.location)
    .with("plain", plain)
    .with("compressed", packed)
    .hint("move those away that are not the store")
}

fn two_layouts(env: &Env, single: &str, split: &str) -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "open the store",
        "the folder holds a single file and split files; which of them is the store?",
    )
    .with("store", &env.location)
    .with("single file", single)
    .with("split file", split)
    .hint("set storage_type in the configuration, or move one of them away")
}
