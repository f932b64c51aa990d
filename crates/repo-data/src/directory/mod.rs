//! Directories: what is uploaded of one, and how it is one file.
//!
//! [`walk`] reads a local directory by its ignore rules, [`Manifest`] says what its files
//! are, and [`DirectoryTree`] joins both to entries with parents. [`zip_stream`] makes one
//! zip of a directory while it is read; [`list_zip`] and [`unpack_zip`] take one from anybody.
//! Which files are kept as text is decided by [`InlineText`](crate::InlineText).
//!
//! Names are checked once, by [`EntryPath`]: what is one can neither leave its directory nor
//! break a line.
//!
//! ```
//! use repo_data::directory::{DirectoryTree, Manifest, WalkOptions, walk};
//!
//! # fn main() -> repo_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! std::fs::create_dir_all(folder.join("src")).unwrap();
//! std::fs::write(folder.join("src/main.py"), "print(1)").unwrap();
//! std::fs::write(folder.join("debug.log"), "…").unwrap();
//!
//! let manifest = r#"{"proj": {"description": "A project", "entries": {
//!     "src/": {"description": "Source code", "entries": {"main.py": "Starts here"}}}}}"#;
//! let manifest = Manifest::from_json(manifest)?;
//! let options = WalkOptions { patterns: vec!["*.log".into()], ..WalkOptions::default() };
//! let tree = DirectoryTree::build("proj", walk(folder, &options)?, Some(&manifest))?;
//!
//! let described: Vec<_> =
//!     tree.nodes.iter().map(|node| (&*node.name, node.description.as_deref())).collect();
//! assert_eq!(
//!     described,
//!     [
//!         ("proj", Some("A project")),
//!         ("src", Some("Source code")),
//!         ("main.py", Some("Starts here")),
//!     ]
//! );
//! assert_eq!(tree.nodes[2].parent, Some(1));
//! # Ok(())
//! # }
//! ```

mod io;
mod manifest;
mod open;
mod path;
mod tree;
mod walk;
mod yaml;
mod zip_read;
mod zip_write;

pub use manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestNode};
pub use open::open_file;
pub use path::{EntryPath, MAX_NAME_BYTES, MAX_NAMES, MAX_PATH_BYTES};
pub use tree::{DirectoryTree, MAX_NODES, NodeKind, TreeNode, Unknown, UnknownEntry};
pub use walk::{DEFAULT_PATTERNS, Found, LeftOut, WalkOptions, walk};
pub use zip_read::{ZipEntry, ZipLimits, list_zip, unpack_zip};
pub use zip_write::{ZipContent, ZipMember, zip_stream};
