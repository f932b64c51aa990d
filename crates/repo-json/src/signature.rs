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
pub(crate) struct Signature {
    pub(crate) len: u64,
    pub(crate) mtime_secs: i64,
    pub(crate) mtime_nanos: u32,
    pub(crate) inode: u64,
}

impl Signature {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            len: metadata.len(),
            mtime_secs: metadata.mtime(),
            mtime_nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            inode: metadata.ino(),
        }
    }

    pub(crate) fn of_file(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|e| errors::io("look at a file", path, e))?;
        Ok(Self::of(&metadata))
    }

    /// The signature of what stands under a path now; `None` for nothing.
    pub(crate) fn of_path(path: &Path) -> Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(errors::io("look at a file", path, e)),
        }
    }

    /// The modification time in microseconds since 1970.
    pub(crate) fn mtime_micros(&self) -> i64 {
        let micros = i64::from(self.mtime_nanos / 1_000);
        self.mtime_secs.saturating_mul(1_000_000).saturating_add(micros)
    }
}
