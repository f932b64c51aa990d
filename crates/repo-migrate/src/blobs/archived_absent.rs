//! A build without blobs: none are in an archive.

use repo_core::Result;

use crate::archive::ArchiveWriter;
use crate::progress::Progress;
use crate::store_reference::StoreReference;

/// There is none.
#[derive(Debug)]
pub(crate) enum BlobBackup {}

pub(crate) async fn add_blobs(
    _writer: ArchiveWriter,
    _side: &StoreReference,
    backup: &BlobBackup,
    _progress: &dyn Progress,
) -> Result<ArchiveWriter> {
    match *backup {}
}
