//! How a store of files is known again: by device and inode.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::strategy::PhysicalIdentity;

/// The identity of a store in `base` (a folder or a file) and `files`, links
/// followed. A mount of a folder in a second place, and a link, have the device
/// and inode of what they lead to; a copy has not. Only on one device do two
/// inodes mean two files: a network file system shows its own devices.
///
/// # Errors
/// What the file system says, with the path; not that something is missing.
pub fn identity_of_files(
    system: &'static str,
    base: &Path,
    files: impl IntoIterator<Item = PathBuf>,
) -> Result<PhysicalIdentity, (PathBuf, io::Error)> {
    let Some((device, holder)) = look_at(base)? else {
        return Ok(PhysicalIdentity::nothing(system));
    };
    let mut found = PhysicalIdentity::new(system).holds(holder).within(format!("device {device}"));
    for file in files {
        if let Some((_, holder)) = look_at(&file)? {
            found = found.holds(holder);
        }
    }
    Ok(found)
}

fn look_at(path: &Path) -> Result<Option<(u64, String)>, (PathBuf, io::Error)> {
    match path.metadata() {
        Ok(found) => Ok(Some((found.dev(), format!("{}:{}", found.dev(), found.ino())))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err((path.to_owned(), error)),
    }
}
