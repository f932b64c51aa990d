//! Whether there is room for blobs, where that can be known.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use repo_blob::BlobStore;
use repo_core::{Error, ErrorKind, Result};

use crate::store_reference::blocking;

/// What the folders of many small files take beside their bytes.
const EACH: u64 = 4_096;
/// How a store in a folder calls its place.
const FOLDER: &str = "file:";

/// Checks that the disk of a folder has room for so many more blobs. Nothing is known of a
/// bucket.
///
/// # Errors
/// `LimitExceeded` if not.
pub(crate) async fn check(store: &Arc<dyn BlobStore>, blobs: u64, bytes: u64) -> Result<()> {
    let location = store.location();
    let Some(folder) = location.strip_prefix(FOLDER).map(PathBuf::from) else { return Ok(()) };
    let needed = bytes.saturating_add(blobs.saturating_mul(EACH));
    blocking(move || {
        let start = if folder.is_relative() { Path::new(".").join(&folder) } else { folder };
        let there = start.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let free = fs2::available_space(there).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "check the disk", "free space cannot be read")
                .with("path", there.display())
                .with("reason", &source)
                .caused_by(source)
        })?;
        if free >= needed {
            return Ok(());
        }
        Err(Error::new(ErrorKind::LimitExceeded, "check the disk", "no room for the blobs")
            .with("folder", start.display())
            .with("free_bytes", free)
            .with("needed_bytes", needed)
            .hint("free some space there, or name another place for the blobs"))
    })
    .await
}
