//! The steps of filling an archive, each on a thread that may wait for the
//! disk.

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_core::strategy::{HistoryState, SystemCollection, SystemItem};
use repo_core::{CollectionName, CollectionSchema, Result};

use super::handle::Archive;
use super::history::{write_item, write_version};
use super::lines::LinesWriter;
use super::writer::{ArchiveWriter, CollectionWriter, WrittenCollection};
use crate::past::PastVersion;
use crate::store_reference::blocking;
use crate::verify::digest::{Sums, version_prints};
use crate::verify::report::Depth;

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
    history: Option<HistoryState>,
) -> Result<(ArchiveWriter, CollectionWriter)> {
    let schema = schema.clone();
    blocking(move || {
        let file = writer.begin(&schema, floor, history)?;
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

/// Appends older versions to the files of a collection, and adds them to the sums.
pub(crate) async fn append_versions(
    mut writer: CollectionWriter,
    collection: &CollectionName,
    versions: Vec<PastVersion>,
    sums: &mut Sums,
) -> Result<CollectionWriter> {
    let collection = collection.clone();
    let (writer, prints) = blocking(move || {
        let mut text = Vec::new();
        versions.iter().try_for_each(|version| write_version(version, &mut text))?;
        writer.append_versions(&text, versions.len() as u64)?;
        Ok((writer, version_prints(Depth::Complete, &collection, &versions)))
    })
    .await?;
    prints.iter().for_each(|print| sums.add(print));
    Ok(writer)
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

/// Finishes the files of a collection; the sums are of what they hold.
pub(crate) async fn finish(
    writer: CollectionWriter,
    sums: &Sums,
    versions: &Sums,
) -> Result<WrittenCollection> {
    let counts = (sums.records, sums.tombstones);
    let digest = sums.total().to_string();
    let versions = (versions.records, versions.total().to_string());
    blocking(move || writer.finish(counts, digest, versions)).await
}

/// Writes the engine's own items, if there are any: no file without one.
pub(crate) async fn add_items(
    mut writer: ArchiveWriter,
    mut items: BoxStream<'static, Result<Vec<(SystemCollection, SystemItem)>>>,
) -> Result<ArchiveWriter> {
    let mut file = None;
    while let Some(page) = items.try_next().await? {
        if page.is_empty() {
            continue;
        }
        let open: Option<LinesWriter> = file.take();
        (writer, file) = blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => writer.begin_items()?,
            };
            let mut text = Vec::new();
            page.iter().try_for_each(|(of, item)| write_item(*of, item, &mut text))?;
            open.append(&text, page.len() as u64)?;
            Ok((writer, Some(open)))
        })
        .await?;
    }
    match file {
        None => Ok(writer),
        Some(file) => {
            blocking(move || {
                writer.add_items(file)?;
                Ok(writer)
            })
            .await
        }
    }
}
