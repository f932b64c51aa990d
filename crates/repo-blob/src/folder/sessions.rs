//! Parts that wait beside the blobs, and what killed processes left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{Error, ErrorKind, Result};

use crate::folder::faults::fault;
use crate::folder::read::{bytes_of, open_file};
use crate::folder::root::{Root, blocking, make_folder, sync_folder};
use crate::key::BlobKey;
use crate::parts::{PartNumber, PartReceipt, PartSession, Upload};
use crate::store::ByteStream;

/// Makes the folder of a new session.
pub(super) fn begin(root: &Root, key: BlobKey) -> Result<PartSession> {
    let id = BlobKey::random()?;
    make_folder("begin parts", &root.session(&id))?;
    let sessions = root.sessions();
    sync_folder(&sessions).map_err(|error| fault("begin parts", &sessions, error))?;
    Ok(PartSession::new(key, Upload::Folder(id)))
}

/// The folder of a session.
pub(super) fn folder(
    operation: &'static str,
    root: &Root,
    session: &PartSession,
) -> Result<PathBuf> {
    let Upload::Folder(id) = session.upload() else {
        return Err(PartSession::foreign(operation));
    };
    let folder = root.session(id);
    match fs::symlink_metadata(&folder) {
        Ok(_) => Ok(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(session.ended(operation)),
        Err(error) => Err(fault(operation, &folder, error)),
    }
}

/// The file of a part in the folder of its session.
pub(super) fn part_name(number: PartNumber) -> String {
    format!("{:05}", number.get())
}

/// The bytes of all parts, one after another.
pub(super) fn joined(folder: PathBuf, parts: Vec<PartReceipt>) -> ByteStream<'static> {
    let bytes = stream::iter(parts).then(move |receipt| {
        let path = folder.join(part_name(receipt.number));
        blocking("complete parts", move || {
            let (file, found) = open_file("complete parts", &path).map_err(|error| {
                if error.kind() == ErrorKind::NotFound { receipt.refused() } else { error }
            })?;
            Ok(bytes_of(file, 0..found.len()))
        })
    });
    bytes.try_flatten().boxed()
}

/// Removes a session with its parts, if it is there.
pub(super) fn remove(operation: &'static str, folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(fault(operation, folder, error))
        }
        _ => Ok(()),
    }
}

/// Removes files and sessions that nobody has touched for that long.
pub(super) fn remove_leftovers(root: &Root, untouched_for: Duration) -> Result<u64> {
    let operation = "remove leftovers";
    let before = SystemTime::now().checked_sub(untouched_for).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, operation, "that long ago there was no time")
    })?;
    let mut removed = 0;
    for folder in [root.incoming(), root.sessions()] {
        let failed = |error| fault(operation, &folder, error);
        for name in fs::read_dir(&folder).map_err(failed)? {
            let path = name.map_err(failed)?.path();
            // Whoever wrote it may end at any moment.
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            if found.modified().map_err(failed)? > before {
                continue;
            }
            if found.is_dir() {
                remove(operation, &path)?;
            } else {
                fs::remove_file(&path).map_err(|error| fault(operation, &path, error))?;
            }
            removed += 1;
        }
    }
    Ok(removed)
}
