//! The steps of filling an archive, each on a thread that may wait for the
//! disk.

use repo_core::{CollectionSchema, Result};

use super::handle::Archive;
use super::writer::{ArchiveWriter, CollectionWriter, WrittenCollection};
use crate::store_reference::blocking;
use crate::verify::digest::Sums;

/// Finishes an archive and opens it.
pub(crate) async fn close(writer: ArchiveWriter) -> Result<Archive> {
    let path = blocking(move || writer.finish()).await?;
    Archive::open(&path).await
}

/// Begins the file of a collection.
pub(crate) async fn begin(
    writer: ArchiveWriter,
    schema: &CollectionSchema,
    floor: u64,
) -> Result<(ArchiveWriter, CollectionWriter)> {
    let schema = schema.clone();
    blocking(move || {
        let file = writer.begin(&schema, floor)?;
        Ok((writer, file))
    })
    .await
}

/// Appends lines to the file of a collection.
pub(crate) async fn append(
    mut writer: CollectionWriter,
    lines: Vec<u8>,
) -> Result<CollectionWriter> {
    blocking(move || {
        writer.append(&lines)?;
        Ok(writer)
    })
    .await
}

/// Adds a collection to an archive.
pub(crate) async fn add(
    mut writer: ArchiveWriter,
    written: WrittenCollection,
) -> Result<ArchiveWriter> {
    blocking(move || {
        writer.add(written)?;
        Ok(writer)
    })
    .await
}

/// Finishes the file of a collection; the sums are of what it holds.
pub(crate) async fn finish(writer: CollectionWriter, sums: &Sums) -> Result<WrittenCollection> {
    let (records, tombstones) = (sums.records, sums.tombstones);
    let digest = sums.total().to_string();
    blocking(move || writer.finish(records, tombstones, digest)).await
}
