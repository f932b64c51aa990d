//! The folder of a store: the names of its files, how they are made, and the
//! signature by which an unchanged file is known again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use repo_core::Result;

use crate::errors;

/// Mode of every file made here: the owner alone.
const FILE_MODE: u32 = 0o600;
/// Mode of every folder made here.
const FOLDER_MODE: u32 = 0o700;

/// The folder of a store.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A data file.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file that a checkpoint writes beside `name` before it takes the
    /// place.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{}.new", name.trim_start_matches('.')))
    }

    pub(crate) fn meta(&self) -> PathBuf {
        self.path.join(META)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// The folder of journals that are kept for the change feed.
    pub(crate) fn changes(&self) -> PathBuf {
        self.path.join(CHANGES)
    }

    /// The folder of older versions of records.
    pub(crate) fn history(&self) -> PathBuf {
        self.path.join(HISTORY)
    }

    /// Refuses links in the places of the files that are ours alone. The lock
    /// is never replaced, but one in another place excludes processes there,
    /// not those here.
    pub(crate) fn refuse_links(&self) -> Result<()> {
        [self.meta(), self.journal(), self.lock(), self.changes(), self.history()]
            .iter()
            .try_for_each(|path| refuse_link(path))
    }

    /// Makes the folder, and those it stands in, where they are missing.
    pub(crate) fn make(&self) -> Result<()> {
        let missing = self.path.ancestors().take_while(|path| !path.exists()).count();
        make_folder("prepare", &self.path)?;
        let parents = self.path.ancestors().skip(1).take(missing);
        parents.filter(|parent| !parent.as_os_str().is_empty()).try_for_each(sync_folder)
    }

    /// Makes renames and new names within the folder durable.
    pub(crate) fn sync(&self) -> Result<()> {
        sync_folder(&self.path)
    }

    /// `json:` and the absolute path: the same for every way to name one
    /// folder, also before it is there.
    pub(crate) fn location(&self) -> String {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut missing = PathBuf::new();
        let known = absolute.ancestors().find_map(|ancestor| {
            let real = ancestor.canonicalize().ok();
            if real.is_none()
                && let Some(name) = ancestor.file_name()
            {
                missing = Path::new(name).join(&missing);
            }
            real
        });
        let path = known.map_or(absolute.clone(), |known| known.join(&missing));
        let text = path.display().to_string();
        format!("json:{}", text.strip_suffix('/').unwrap_or(&text))
    }
}

/// Name of the file with versions, times and digests.
pub(crate) const META: &str = ".meta";
/// Name of the append-only journal.
pub(crate) const JOURNAL: &str = ".journal";
/// Name of the folder of journals that are kept for the change feed.
pub(crate) const CHANGES: &str = ".changes";
/// Name of the folder of older versions of records.
pub(crate) const HISTORY: &str = ".history";
/// Name of the file that is locked; it is never renamed.
pub(crate) const LOCK: &str = ".lock";

/// `AlreadyExists` from making a folder means that a file stands there.
fn not_a_folder(path: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() {
        return io::Error::from(io::ErrorKind::NotADirectory);
    }
    error
}

/// Makes a folder, and those it stands in; one that is there is fine.
pub(crate) fn make_folder(operation: &'static str, path: &Path) -> Result<()> {
    let mut folder = fs::DirBuilder::new();
    let made = folder.recursive(true).mode(FOLDER_MODE).create(path);
    made.map_err(|e| errors::io(operation, path, not_a_folder(path, e)))
}

/// Makes new and removed names within a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| errors::io("sync a folder", path, e))
}

/// Makes a new, empty file for reading and writing in the place of the one
/// that a broken-off checkpoint left. A link there goes, and not what it leads
/// to.
pub(crate) fn create(path: &Path) -> Result<File> {
    remove_if_there(path)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|e| errors::io("create a file", path, e))
}

/// Opens or makes a file without touching its content.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|e| errors::io("create a file", path, e))
}

/// Opens a file for reading; `None` when it is not there.
pub(crate) fn open_if_there(path: &Path) -> Result<Option<File>> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a file for reading and writing; `None` when it is not there.
pub(crate) fn open_for_writing(path: &Path) -> Result<Option<File>> {
    open_with(OpenOptions::new().read(true).write(true), path)
}

fn open_with(options: &OpenOptions, path: &Path) -> Result<Option<File>> {
    if !is_there(path)? {
        return Ok(None);
    }
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(errors::io("open a file", path, e)),
    }
}

/// Whether a regular file stands under a path, or a link to one. A link that
/// leads nowhere is an error, not an absent file: what it stands for may be on
/// a disk that is not mounted. So is anything that cannot be read like a file;
/// opening a pipe would wait for ever.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(errors::io("look at a file", path, e)),
        Ok(_) => {}
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(found) if found.is_dir() => {
            Err(errors::io("look at a file", path, io::Error::from(io::ErrorKind::IsADirectory)))
        }
        Ok(_) => Err(errors::no_file(path, "it is neither a file nor a folder")),
        Err(e) => Err(errors::no_file(path, "it is a link that leads nowhere").caused_by(e)),
    }
}

/// Refuses a link where a file is going to be replaced: the file that it leads
/// to would keep the old content.
pub(crate) fn refuse_link(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            let why = "it is a link: a store that is written to needs the file itself in its place";
            Err(errors::no_file(path, why))
        }
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(errors::io("remove a file", path, e)),
        _ => Ok(()),
    }
}

/// Puts one file in the place of another.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| errors::io("rename a file", to, e))
}
