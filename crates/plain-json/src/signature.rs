//! What distinguishes an unchanged file from a changed one without reading it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use repo_core::Result;

use crate::errors;

/// Size, modification time and inode of a file. A file whose signature is
/// unchanged is taken as unchanged; otherwise its digest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Bytes.
    pub len: u64,
    /// When it was last written, in whole seconds since 1970,
    pub mtime_secs: i64,
    /// and the nanoseconds after them.
    pub mtime_nanos: u32,
    /// The number of the file on its device.
    pub inode: u64,
}

impl Signature {
    /// That of what the file system says.
    #[must_use]
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            len: metadata.len(),
            mtime_secs: metadata.mtime(),
            mtime_nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            inode: metadata.ino(),
        }
    }

    /// That of an open file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of_file(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|e| errors::io("look at a file", path, e))?;
        Ok(Self::of(&metadata))
    }

    /// That of what stands under a path now; `None` for nothing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of_path(path: &Path) -> Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(errors::io("look at a file", path, e)),
        }
    }

    /// The modification time in microseconds since 1970.
    #[must_use]
    pub fn mtime_micros(&self) -> i64 {
        let micros = i64::from(self.mtime_nanos / 1_000);
        self.mtime_secs.saturating_mul(1_000_000).saturating_add(micros)
    }
}
