//! Files of a broker that keeps entities of all kinds in one section, beside those in
//! which each collection has its own.
//!
//! The Open Resource Broker writes `{"machines": {…}, "requests": {…}}`, or a file for
//! each collection, and by another way `{"generic": {…}}`, where a machine stands beside
//! a request. Nothing has to be said of that in a schema: an entry belongs to the
//! collection whose id field holds its key, and of two entities of one id the newer one
//! stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plain_json::{JsonReader, errors};
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, EntryPointer, Error, ErrorKind, FieldPath, FilePattern,
    FileSource, OnDuplicate, Result, Schemas, SourceEntries, SourceId,
};

use crate::folder;
use crate::loaded::Loaded;
use crate::plan::plan;
use crate::store::{Opening, open};

/// The section that entities of all kinds share.
pub const SHARED_SECTION: &str = "generic";

/// The lock that the broker takes while it writes a file.
const LOCK: &str = ".{file}.lock";
/// What says which of two entities is newer.
const NEWER: [&str; 2] = ["updated_at", "version"];

/// Where a broker keeps its files.
#[derive(Debug, Clone)]
pub struct BrokerFiles {
    /// The folder.
    pub folder: PathBuf,
    /// The file of all collections, in which the shared section is.
    pub single_file: String,
    /// The files of single collections that are not called `<collection>.json`.
    pub split_files: Vec<(CollectionName, String)>,
}

impl BrokerFiles {
    fn split_file(&self, collection: &CollectionName) -> String {
        let named = self.split_files.iter().find(|(name, _)| name == collection);
        named.map_or_else(|| format!("{collection}.json"), |(_, file)| file.clone())
    }

    fn has_split_file(&self, collection: &CollectionName) -> bool {
        self.folder.join(self.split_file(collection)).is_file()
    }

    /// The collections of all files of the folder that are named like one.
    fn others(&self) -> Result<BTreeSet<String>> {
        let pattern = FilePattern::parse("*.json")?;
        let found = folder::files(&self.folder, &pattern)?.into_iter();
        let stems = found.filter_map(|file| Some(file.name.strip_suffix(".json")?.to_owned()));
        let single = self.single_file.strip_suffix(".json");
        Ok(stems
            .filter(|stem| Some(stem.as_str()) != single && CollectionName::new(stem).is_ok())
            .collect())
    }
}

/// Opens the files for reading; `None` where nothing stands in the shared section, and
/// where there are entities in both layouts, of which one must be a leftover.
///
/// # Errors
/// As for every store that is opened; `Invalid` for an entry of the section that belongs
/// to no collection.
pub async fn open_broker(
    files: BrokerFiles,
    options: OpenOptions,
) -> Result<Option<Arc<dyn StorageStrategy>>> {
    let location = folder::location("json:", &files.folder);
    let declared = Arc::clone(&options.schemas);
    let (folder, most) = (files.folder.clone(), options.max_entity_bytes);
    let found = tokio::task::spawn_blocking(move || schemas_of(&files, &declared, most))
        .await
        .map_err(|source| {
        Error::new(ErrorKind::Unavailable, "open", "the work was interrupted")
            .with("store", &location)
            .caused_by(source)
    })??;
    let Some(schemas) = found else { return Ok(None) };
    let routes = plan(&schemas, &options)?;
    if routes.is_empty() {
        return Ok(None);
    }
    let options = options.with_schemas(Arc::new(schemas));
    let opening = Opening { system: "json", location, folder, routes, options };
    Ok(Some(Arc::new(open(opening).await?)))
}

/// The collections with their places in the files.
fn schemas_of(files: &BrokerFiles, declared: &Schemas, most: usize) -> Result<Option<Schemas>> {
    let single = files.folder.join(&files.single_file);
    if !single.is_file() {
        return Ok(None);
    }
    let mut sections = sections(&single, most)?;
    if !sections.remove(SHARED_SECTION) {
        return Ok(None);
    }
    let is_split = declared.iter().any(|schema| files.has_split_file(&schema.collection));
    if is_split && !sections.is_empty() {
        return Ok(None);
    }
    let others = if is_split { files.others()? } else { sections.clone() };
    let mut schemas = Schemas::default();
    for schema in with_undeclared(declared, &others)? {
        let name = &schema.collection;
        let mut sources = Vec::new();
        if sections.contains(name.as_str()) {
            sources.push(source(&files.single_file, name.as_str(), SourceId::Key)?);
        } else if is_split && files.has_split_file(name) {
            sources.push(source(&files.split_file(name), name.as_str(), SourceId::Key)?);
        }
        sources.push(source(&files.single_file, SHARED_SECTION, SourceId::SharedKey)?);
        schemas.insert(CollectionSchema { sources, ..schema })?;
    }
    Ok(Some(schemas))
}

/// The declared collections, and those that are there besides.
fn with_undeclared(declared: &Schemas, others: &BTreeSet<String>) -> Result<Vec<CollectionSchema>> {
    let mut all: Vec<CollectionSchema> = declared.iter().cloned().collect();
    for name in others {
        let name = CollectionName::new(name)?;
        if declared.declared(&name).is_none() {
            all.push(CollectionSchema::undeclared(name));
        }
    }
    Ok(all)
}

fn source(file: &str, section: &str, id: SourceId) -> Result<FileSource> {
    let newer = NEWER.into_iter().map(FieldPath::parse).collect::<Result<Vec<_>>>()?;
    Ok(FileSource {
        file: FilePattern::parse(file)?,
        optional: false,
        lock: Some(LOCK.to_owned()),
        entries: SourceEntries {
            pointer: EntryPointer::parse(&format!("/{section}/*"))?,
            id,
            value_field: None,
            rename: BTreeMap::new(),
            constant: BTreeMap::new(),
            on_duplicate: OnDuplicate::Newest(newer),
            children: Vec::new(),
        },
    })
}

/// The sections at the top of a file that hold anything.
fn sections(path: &Path, most: usize) -> Result<BTreeSet<String>> {
    let file = File::open(path).map_err(|error| errors::io("read a data file", path, error))?;
    let mut reader = JsonReader::new(&file, path, Loaded::longest(most));
    let mut sections = BTreeSet::new();
    reader.skip_space()?;
    let mut more = reader.enter_object()?;
    while more {
        let (key, _) = reader.key()?;
        if reader.peek()? != Some(b'{') {
            reader.skip_value()?;
        } else if reader.enter_object()? {
            loop {
                reader.key()?;
                reader.skip_value()?;
                if !reader.next_member()? {
                    break;
                }
            }
            sections.insert(key);
        }
        more = reader.next_member()?;
    }
    reader.finish()?;
    Ok(sections)
}
