//! The entries of a directory with their parents.

use std::collections::HashMap;

use repo_core::{Error, ErrorKind, Result, Value};

use super::manifest::{Manifest, ManifestNode};
use super::path::{EntryPath, checked_name};
use super::walk::{Found, LeftOut};

/// Most entries of a directory that is uploaded entry by entry.
pub const MAX_NODES: usize = 100_000;

/// A directory as entries with parents. See the [module](crate::directory).
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryTree {
    /// The directory itself, and everything in it; a parent comes before its children.
    pub nodes: Vec<TreeNode>,
    /// What the manifest describes and is not there so.
    pub unknown: Vec<UnknownEntry>,
    /// What is there and is not uploaded.
    pub left_out: Vec<(EntryPath, LeftOut)>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeNode {
    /// Its name.
    pub name: String,
    /// Where it is below the directory; nothing for the directory itself.
    pub path: Option<EntryPath>,
    /// The place of its parent in the list; nothing for the directory itself.
    pub parent: Option<usize>,
    /// What it is.
    pub kind: NodeKind,
    /// From the manifest.
    pub description: Option<String>,
    /// From the manifest.
    pub metadata: Option<std::collections::BTreeMap<String, Value>>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Bytes.
        size: u64,
    },
}

/// An entry of a manifest without its counterpart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEntry {
    /// Its path below the directory, or its name beside it.
    pub path: String,
    /// Why it is unknown.
    pub why: Unknown,
}

/// Why an entry of a manifest is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// There is nothing, or an ignore rule leaves it out.
    NotThere,
    /// It is a file, and the manifest says a directory.
    IsAFile,
    /// It stands beside the directory that is uploaded.
    BesideDirectory,
}

impl DirectoryTree {
    /// The tree of a directory that is uploaded as `name`, from what was found in it.
    /// Directories that only show in the paths of others are added.
    ///
    /// # Errors
    /// The first error among what was found; `Invalid` for a name that is none, for the same
    /// path twice and for a file with something in it; `LimitExceeded` above [`MAX_NODES`].
    pub fn build(
        name: &str,
        found: impl IntoIterator<Item = Result<Found>>,
        manifest: Option<&Manifest>,
    ) -> Result<Self> {
        let mut builder = Builder::new(checked_name(name)?, manifest);
        for found in found {
            match found? {
                Found::Directory(path) => {
                    builder.directory(&path)?;
                }
                Found::File { path, size } => builder.file(&path, size)?,
                Found::LeftOut { path, why } => builder.left_out.push((path, why)),
            }
        }
        let unknown = match manifest {
            Some(manifest) => builder.unknown(name, manifest)?,
            None => Vec::new(),
        };
        Ok(Self { nodes: builder.nodes, unknown, left_out: builder.left_out })
    }
}

struct Builder<'a> {
    nodes: Vec<TreeNode>,
    described: Vec<Option<&'a ManifestNode>>,
    places: HashMap<EntryPath, usize>,
    left_out: Vec<(EntryPath, LeftOut)>,
}

impl<'a> Builder<'a> {
    fn new(name: &str, manifest: Option<&'a Manifest>) -> Self {
        let described = manifest.map(|manifest| manifest.of_directory(name));
        let root = TreeNode {
            name: name.to_owned(),
            path: None,
            parent: None,
            kind: NodeKind::Directory,
            description: described.and_then(|node| node.description.clone()),
            metadata: described.and_then(|node| node.metadata.clone()),
        };
        Self {
            nodes: vec![root],
            described: vec![described],
            places: HashMap::new(),
            left_out: Vec::new(),
        }
    }

    /// The place of a directory. It is added with all that it is in, from the top down: a
    /// path has at most 100 names.
    fn directory(&mut self, path: &EntryPath) -> Result<usize> {
        if let Some(&at) = self.places.get(path) {
            return match self.nodes.get(at).map(|node| node.kind) {
                Some(NodeKind::Directory) => Ok(at),
                _ => Err(refuse("a file has entries in it", path)),
            };
        }
        let parent = match path.parent() {
            Some(parent) => self.directory(&parent)?,
            None => 0,
        };
        self.add(path, parent, NodeKind::Directory)
    }

    fn file(&mut self, path: &EntryPath, size: u64) -> Result<()> {
        if self.places.contains_key(path) {
            return Err(refuse("an entry is there twice", path));
        }
        let parent = match path.parent() {
            Some(parent) => self.directory(&parent)?,
            None => 0,
        };
        self.add(path, parent, NodeKind::File { size }).map(|_| ())
    }

    fn add(&mut self, path: &EntryPath, parent: usize, kind: NodeKind) -> Result<usize> {
        let at = self.nodes.len();
        if at >= MAX_NODES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "read a directory",
                "too many entries",
            )
            .with("limit", MAX_NODES)
            .hint("upload it as one collection, or leave more out by ignore rules"));
        }
        let outer = self.described.get(parent).copied().flatten();
        let described = outer.and_then(|outer| outer.entries.get(path.name()));
        self.nodes.push(TreeNode {
            name: path.name().to_owned(),
            path: Some(path.clone()),
            parent: Some(parent),
            kind,
            description: described.and_then(|node| node.description.clone()),
            metadata: described.and_then(|node| node.metadata.clone()),
        });
        self.described.push(described);
        self.places.insert(path.clone(), at);
        Ok(at)
    }

    fn unknown(&self, name: &str, manifest: &Manifest) -> Result<Vec<UnknownEntry>> {
        let beside = manifest.beside_directory(name);
        let mut unknown: Vec<UnknownEntry> = beside
            .map(|name| UnknownEntry { path: name.to_owned(), why: Unknown::BesideDirectory })
            .collect();
        for (path, node) in manifest.of_directory(name).walk()? {
            let place = self.places.get(&path).and_then(|at| self.nodes.get(*at));
            let why = match place.map(|node| node.kind) {
                None => Unknown::NotThere,
                Some(NodeKind::File { .. }) if node.is_directory => Unknown::IsAFile,
                Some(_) => continue,
            };
            unknown.push(UnknownEntry { path: path.to_string(), why });
        }
        Ok(unknown)
    }
}

fn refuse(why: &str, path: &EntryPath) -> Error {
    Error::new(ErrorKind::Invalid, "read a directory", why).with("file", path)
}
