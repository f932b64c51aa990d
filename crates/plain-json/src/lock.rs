//! The lock that the program takes which writes a file.
//!
//! Brokers that replace a file under `flock` lock another one beside it. Who reads under
//! the same lock, shared, sees several files as they belong together, and no change
//! while it reads.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use repo_core::{Error, ErrorKind, Result};

use crate::errors;

const OPERATION: &str = "lock a file of another program";
/// How long another program may hold its lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock file of another program, held shared, given back on drop.
#[derive(Debug)]
pub struct TheirLock(File);

impl TheirLock {
    /// Waits until the program does not hold the lock at `path`, at most ten seconds.
    /// `None` where there is no such file, and where it cannot be locked: that is said
    /// in the log, and who reads has to look whether the files change meanwhile.
    ///
    /// # Errors
    /// `Locked` when the program does not give it back in time.
    pub fn shared(path: &Path) -> Result<Option<Self>> {
        Self::shared_within(path, PATIENCE)
    }

    fn shared_within(path: &Path, patience: Duration) -> Result<Option<Self>> {
        let Some(file) = open(path)? else { return Ok(None) };
        let end = Instant::now() + patience;
        loop {
            match fs2::FileExt::try_lock_shared(&file) {
                Ok(()) => return Ok(Some(Self(file))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_held(&error) => {
                    if Instant::now() >= end {
                        return Err(held(path));
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    warn(path, &error);
                    return Ok(None);
                }
            }
        }
    }
}

/// Whether somebody else holds the lock.
fn is_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}

impl Drop for TheirLock {
    fn drop(&mut self) {
        if let Err(error) = fs2::FileExt::unlock(&self.0) {
            tracing::error!(%error, "the lock of another program could not be given back");
        }
    }
}

/// Opens the lock file. What is no file is no lock.
fn open(path: &Path) -> Result<Option<File>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            warn(path, &error);
            return Ok(None);
        }
        Err(error) => return Err(errors::io(OPERATION, path, error)),
    }
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Such files belong to the user of the other program alone.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            warn(path, &error);
            Ok(None)
        }
        Err(error) => Err(errors::io(OPERATION, path, error)),
    }
}

fn warn(path: &Path, error: &io::Error) {
    tracing::warn!(
        lock = %path.display(), %error,
        "the lock of the program that writes these files cannot be taken: stop it before you read"
    );
}

fn held(path: &Path) -> Error {
    let why = "another program holds its lock on a file that is to be read";
    Error::new(ErrorKind::Locked, OPERATION, why)
        .with("lock", path.display())
        .with("waited_seconds", PATIENCE.as_secs())
        .hint("let it finish, or stop it, and try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_file() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".data.json.lock");
        std::fs::write(&path, "").unwrap();
        (folder, path)
    }

    #[test]
    fn several_readers_hold_it_and_a_writer_does_not() {
        let (_folder, path) = lock_file();
        let first = TheirLock::shared(&path).unwrap().unwrap();
        let second = TheirLock::shared(&path).unwrap().unwrap();
        let theirs = File::open(&path).unwrap();
        assert!(fs2::FileExt::try_lock_exclusive(&theirs).is_err());
        drop((first, second));
        fs2::FileExt::try_lock_exclusive(&theirs).unwrap();
        let error = TheirLock::shared_within(&path, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.context_value("lock").unwrap().ends_with(".data.json.lock"));
        fs2::FileExt::unlock(&theirs).unwrap();
        assert!(TheirLock::shared(&path).unwrap().is_some());
    }

    #[test]
    fn what_is_not_there_or_no_file_is_no_lock() {
        let (folder, path) = lock_file();
        assert!(TheirLock::shared(&folder.path().join("other")).unwrap().is_none());
        assert!(TheirLock::shared(folder.path()).unwrap().is_none());
        assert!(TheirLock::shared(&path).unwrap().is_some());
    }
}
