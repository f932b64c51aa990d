//! Finding and reading blobs.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::folder::faults::{fault, foreign};
use crate::folder::root::{Root, blocking};
use crate::key::BlobKey;
use crate::store::{BlobEntry, BlobMeta, ByteStream, PageLimit};

/// Bytes that are read at once.
const BLOCK: u64 = 256 * 1024;

/// Opens a regular file; a link is not followed, and nothing waits at a pipe.
pub(super) fn open_file(operation: &'static str, path: &Path) -> Result<(File, Metadata)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| fault(operation, path, error))?;
    let found = file.metadata().map_err(|error| fault(operation, path, error))?;
    if found.is_file() { Ok((file, found)) } else { Err(foreign(operation, path)) }
}

/// Opens a blob.
pub(super) fn open_blob(root: &Root, key: &BlobKey) -> Result<(File, BlobMeta)> {
    root.check_fan_out("get", key)?;
    let (file, found) = open_file("get", &root.blob(key)).map_err(|error| named(error, key))?;
    Ok((file, meta("get", &root.blob(key), &found)?))
}

/// What is known of a blob.
pub(super) fn head(operation: &'static str, root: &Root, key: &BlobKey) -> Result<BlobMeta> {
    root.check_fan_out(operation, key)?;
    let path = root.blob(key);
    let found =
        fs::symlink_metadata(&path).map_err(|error| named(fault(operation, &path, error), key))?;
    if !found.is_file() {
        return Err(foreign(operation, &path));
    }
    meta(operation, &path, &found)
}

fn named(error: Error, key: &BlobKey) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::new(ErrorKind::NotFound, error.operation(), "there is no such blob")
            .with("key", key);
    }
    error
}

fn meta(operation: &'static str, path: &Path, found: &Metadata) -> Result<BlobMeta> {
    let modified = found.modified().map_err(|error| fault(operation, path, error))?;
    Ok(BlobMeta { size: found.len(), modified: Timestamp::from(modified) })
}

/// Bytes of a file. They end early where the file does.
pub(super) fn bytes_of(file: File, range: Range<u64>) -> ByteStream<'static> {
    let file = Arc::new(file);
    let bytes = stream::try_unfold(range.start, move |start| {
        let (file, length) = (Arc::clone(&file), BLOCK.min(range.end - start));
        async move {
            if length == 0 {
                return Ok(None);
            }
            let read = blocking("get", move || read_at(&file, start, length)).await?;
            let next = start + read.len() as u64;
            Ok((!read.is_empty()).then_some((read, next)))
        }
    });
    bytes.boxed()
}

fn read_at(file: &File, start: u64, length: u64) -> Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    loop {
        match file.read_at(&mut buffer, start) {
            Ok(read) => {
                buffer.truncate(read);
                return Ok(Bytes::from(buffer));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let message = "the file system reports an error";
                return Err(Error::new(ErrorKind::Unexpected, "get", message)
                    .with("offset", start)
                    .caused_by(error));
            }
        }
    }
}

/// The blobs behind a key. Holds `limit` names, however many a folder has.
pub(super) fn list(
    root: &Root,
    after: Option<&BlobKey>,
    limit: PageLimit,
) -> Result<Vec<BlobEntry>> {
    let mut entries = Vec::new();
    for number in after.map_or(0, BlobKey::fan_out_number)..=u8::MAX {
        let folder = format!("{number:02x}");
        for key in smallest(root, &folder, after, limit.get() - entries.len())? {
            match head("list", root, &key) {
                Ok(meta) => entries.push(BlobEntry { key, meta }),
                // Removed meanwhile, or no blob.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Foreign) => {}
                Err(error) => return Err(error),
            }
        }
        if entries.len() == limit.get() {
            break;
        }
    }
    Ok(entries)
}

/// The smallest keys of one folder behind a key.
fn smallest(
    root: &Root,
    folder: &str,
    after: Option<&BlobKey>,
    limit: usize,
) -> Result<BTreeSet<BlobKey>> {
    let path = root.path().join(folder);
    let mut keys = BTreeSet::new();
    let names = match fs::read_dir(&path) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keys),
        Err(error) => return Err(fault("list", &path, error)),
    };
    for name in names {
        let name = name.map_err(|error| fault("list", &path, error))?.file_name();
        let key = name.to_str().and_then(|name| BlobKey::from_path(&format!("{folder}/{name}")));
        if let Some(key) = key.filter(|key| after.is_none_or(|after| key > after)) {
            keys.insert(key);
            if keys.len() > limit {
                keys.pop_last();
            }
        }
    }
    Ok(keys)
}
