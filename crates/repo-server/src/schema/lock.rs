//! A server and a restore keep out of each other's way.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};

/// Held by a server as long as it runs: several may run at a time.
#[derive(Debug)]
pub struct InUse {
    _file: Option<File>,
}

/// Held by a restore: nobody else is there.
#[derive(Debug)]
pub struct Sole {
    _file: File,
}

impl InUse {
    /// Takes the lock beside the files of a store; other stores need none.
    ///
    /// # Errors
    /// `Locked` while a restore swaps the files.
    pub fn take(place: Option<&Path>) -> Result<Self> {
        let Some(place) = place else { return Ok(Self { _file: None }) };
        let file = open(place)?;
        fs2::FileExt::try_lock_shared(&file).map_err(|source| {
            locked(place, "the store is being restored", "wait until that has ended", source)
        })?;
        Ok(Self { _file: Some(file) })
    }
}

impl Sole {
    /// Takes the lock.
    ///
    /// # Errors
    /// `Locked` while a server runs.
    pub fn take(place: &Path) -> Result<Self> {
        let file = open(place)?;
        fs2::FileExt::try_lock_exclusive(&file).map_err(|source| {
            locked(place, "a server uses the store", "stop the server first", source)
        })?;
        Ok(Self { _file: file })
    }
}

/// A path beside another one.
#[must_use]
pub(super) fn beside(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    place.with_file_name(name)
}

fn open(place: &Path) -> Result<File> {
    let file = beside(place, "server-lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&file).map_err(|source| {
        let why = "the lock beside the store cannot be opened";
        Error::new(ErrorKind::Unavailable, "lock", why)
            .with("file", file.display())
            .with("reason", &source)
            .caused_by(source)
    })
}

fn locked(place: &Path, why: &str, hint: &str, source: std::io::Error) -> Error {
    Error::new(ErrorKind::Locked, "lock", why)
        .with("store", place.display())
        .caused_by(source)
        .hint(hint)
}
