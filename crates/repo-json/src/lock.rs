//! The lock between processes: `flock` on a file that is never renamed.
//!
//! A lock belongs to the open file, not to the process, so two handles in one
//! process exclude each other as two processes do. Local file systems only:
//! network file systems give `flock` other meanings.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_core::Result;

use crate::errors;
use crate::folder;

/// An open lock file.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    /// Opens the lock file and makes it where it is missing.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = folder::open_or_create(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens the lock file for reading; `None` when there is none, and so no
    /// writer ever was here.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let file = folder::open_if_there(path)?;
        Ok(file.map(|file| Self { file, path: path.to_owned() }))
    }

    /// Waits until this handle alone holds the store. What is locked is the
    /// file in the lock's place, made anew where it was removed.
    pub(crate) fn exclusive(self: &Arc<Self>) -> Result<LockGuard> {
        let mut lock = Arc::clone(self);
        loop {
            let guard = lock.take(fs2::FileExt::lock_exclusive)?;
            if guard.0.is_in_place()? {
                return Ok(guard);
            }
            lock = Arc::new(Self::create(&self.path)?);
        }
    }

    /// Waits until no writer holds the store; `None` when the lock file was
    /// removed, and so no writer was here since.
    pub(crate) fn shared(self: &Arc<Self>) -> Result<Option<LockGuard>> {
        let mut lock = Arc::clone(self);
        loop {
            let guard = lock.take(fs2::FileExt::lock_shared)?;
            if guard.0.is_in_place()? {
                return Ok(Some(guard));
            }
            match Self::open(&self.path)? {
                Some(file) => lock = Arc::new(file),
                None => return Ok(None),
            }
        }
    }

    fn take(self: &Arc<Self>, lock: impl Fn(&File) -> io::Result<()>) -> Result<LockGuard> {
        loop {
            match lock(&self.file) {
                Ok(()) => return Ok(LockGuard(Arc::clone(self))),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(errors::io("lock the store", &self.path, e)),
            }
        }
    }

    /// Whether the path still leads to the file that is open. If the file was
    /// removed, or the folder replaced, others lock another one.
    fn is_in_place(&self) -> Result<bool> {
        let failed = |e| errors::io("lock the store", &self.path, e);
        let known = self.file.metadata().map_err(failed)?;
        match fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (known.dev(), known.ino())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }
}

/// A held lock, given back on drop.
#[derive(Debug)]
pub(crate) struct LockGuard(Arc<LockFile>);

impl LockGuard {
    /// The file that is locked.
    pub(crate) fn file(&self) -> Arc<LockFile> {
        Arc::clone(&self.0)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Err(error) = fs2::FileExt::unlock(&self.0.file) {
            tracing::error!(%error, "the lock of a JSON store could not be given back");
        }
    }
}
