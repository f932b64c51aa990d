//! Opening the blob stores of a run.

use std::path::Path;
use std::sync::Arc;

use repo_blob::{BlobOptions, BlobStore};
use repo_core::{ErrorKind, Result};

/// Opens a blob store that is only read: nothing is made or written there.
///
/// # Errors
/// Those of [`repo_blob::open_existing`].
pub async fn open_source(location: &str, options: &BlobOptions) -> Result<Arc<dyn BlobStore>> {
    repo_blob::open_existing(location, options).await
}

/// Opens a blob store that blobs go to: one that is there, or a new one in a folder that is
/// empty or missing. A folder that holds other things is refused. Where nothing may be
/// written (`may_write`), a store in memory stands for a folder that is yet to be made.
///
/// # Errors
/// Those of [`repo_blob::open`]; `Foreign` for a folder that is not empty and no blob store.
pub async fn open_target(
    location: &str,
    options: &BlobOptions,
    may_write: bool,
) -> Result<Arc<dyn BlobStore>> {
    let found = repo_blob::open_existing(location, options).await;
    let is_new = match &found {
        Ok(_) => false,
        Err(error) => match (error.kind(), folder_of(location)) {
            (ErrorKind::NotFound, Some(_)) => true,
            (ErrorKind::Foreign, Some(folder)) => is_empty(folder),
            _ => false,
        },
    };
    match found {
        Err(error) if !is_new => Err(error),
        Ok(store) if !may_write => Ok(store),
        Err(_) if !may_write => Ok(repo_blob::empty_in_memory(location)),
        _ => repo_blob::open(location, options).await,
    }
}

/// The folder of a location, if it is one.
fn folder_of(location: &str) -> Option<&Path> {
    let path = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:"));
    match path {
        Some(path) => Some(Path::new(path)),
        None => (!location.contains("://")).then(|| Path::new(location)),
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
