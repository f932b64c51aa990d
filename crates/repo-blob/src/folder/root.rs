//! The folder of a store: where things are in it, and how its folders are made and synced.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::{Error, ErrorKind, Result};

use crate::folder::faults::{fault, foreign};
use crate::key::BlobKey;

/// Mode of every folder made here: the owner alone.
const FOLDER_MODE: u32 = 0o700;

/// The folder of a store:
///
/// ```text
/// ab/ab01…         blobs, in 256 folders
/// .incoming/…      files that are being written
/// .parts/ID/00001  parts of a session
/// ```
#[derive(Debug, Clone)]
pub(super) struct Root {
    path: Arc<Path>,
}

impl Root {
    /// The folder, made if it is not there.
    pub(super) fn make(path: &Path) -> Result<Self> {
        let root = Self { path: Arc::from(path) };
        let failed = |error| fault("open", &root.path, error);
        make_folders(&root.path).map_err(failed)?;
        for folder in [root.incoming(), root.sessions()] {
            make_folder("open", &folder)?;
        }
        sync_folder(&root.path).map_err(failed)?;
        Ok(root)
    }

    /// A folder that is such a store already. Nothing is made.
    pub(super) fn existing(path: &Path) -> Result<Self> {
        let root = Self { path: Arc::from(path) };
        let found = fs::metadata(&root.path).map_err(|error| fault("open", &root.path, error))?;
        let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        if found.is_dir() && is_folder(&root.incoming()) && is_folder(&root.sessions()) {
            return Ok(root);
        }
        Err(Error::new(ErrorKind::Foreign, "open", "the folder is no store of blobs")
            .with("folder", root.path.display())
            .hint("name the folder that holds .incoming and .parts"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.path.join(".incoming")
    }

    pub(super) fn sessions(&self) -> PathBuf {
        self.path.join(".parts")
    }

    pub(super) fn session(&self, id: &BlobKey) -> PathBuf {
        self.sessions().join(id.to_string())
    }

    pub(super) fn blob(&self, key: &BlobKey) -> PathBuf {
        self.path.join(key.path())
    }

    pub(super) fn fan_out(&self, key: &BlobKey) -> PathBuf {
        self.path.join(key.fan_out())
    }

    /// The folder of a key for writing: made, and itself durable.
    pub(super) fn make_fan_out(&self, key: &BlobKey) -> Result<PathBuf> {
        let folder = self.fan_out(key);
        if make_folder("put", &folder)? {
            sync_folder(&self.path).map_err(|error| fault("put", &self.path, error))?;
        }
        Ok(folder)
    }

    /// Refuses a link in the place of the folder of a key, which would lead elsewhere.
    pub(super) fn check_fan_out(&self, operation: &'static str, key: &BlobKey) -> Result<()> {
        let folder = self.fan_out(key);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(foreign(operation, &folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fault(operation, &folder, error)),
        }
    }
}

/// Makes a folder and those it stands in, and their names durable.
fn make_folders(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|path| {
        let is_named = !path.as_os_str().is_empty();
        is_named && !path.exists()
    });
    let missing: Vec<_> = missing.collect();
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(|parent| {
        let here = parent.as_os_str().is_empty();
        sync_folder(if here { Path::new(".") } else { parent })
    })
}

/// Makes a folder, and says whether it was missing. A link in its place is refused.
pub(super) fn make_folder(operation: &'static str, path: &Path) -> Result<bool> {
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fault(operation, path, error)),
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(false),
        Ok(_) => Err(foreign(operation, path)),
        Err(error) => Err(fault(operation, path, error)),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Runs what waits for the disk where waiting holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = "the work on the disk was ended from outside";
        Err(Error::new(ErrorKind::Unexpected, operation, message).caused_by(error))
    })
}
