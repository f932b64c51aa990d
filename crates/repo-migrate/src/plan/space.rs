//! Whether the disk has room for an archive.

use std::num::NonZeroUsize;
use std::path::Path;

use futures::TryStreamExt as _;
use repo_core::strategy::{Record, Segment, check_writable};
use repo_core::{CollectionSchema, Error, ErrorKind, Result};

use crate::archive::ArchiveDirectory;
use crate::archive::place::Place;
use crate::ndjson;
use crate::remedy::Remedy;
use crate::store_reference::{StoreReference, blocking};

/// Records of each collection that are compressed to estimate the rest.
const SAMPLE: usize = 200;
/// Samples compress worse than whole files; what varies gets a quarter more,
/// and manifest and folder a fixed room.
const MARGIN_BYTES: u64 = 1_024 * 1_024;

/// How large the archive of a collection with `count` records will be, in
/// bytes: an estimate from its first records.
pub(crate) async fn estimate(
    side: &StoreReference,
    schema: &CollectionSchema,
    count: u64,
) -> Result<u64> {
    let batch_size = NonZeroUsize::new(SAMPLE).unwrap_or(NonZeroUsize::MIN);
    let mut scan = side.scan(&schema.collection, Segment::ALL, batch_size).await?;
    let Some(records) = scan.try_next().await? else { return Ok(0) };
    let schema = schema.clone();
    blocking(move || {
        let bytes = compressed_size(&records, &schema)?;
        let sampled = records.len() as u64;
        let count = count.max(sampled);
        Ok(bytes.saturating_mul(count) / sampled / 4 * 5)
    })
    .await
}

fn compressed_size(records: &[Record], schema: &CollectionSchema) -> Result<u64> {
    let mut text = Vec::new();
    records.iter().for_each(|record| ndjson::write(record, schema, &mut text));
    let compressed = zstd::bulk::compress(&text, 0).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "estimate a backup", "the sample cannot be compressed")
            .caused_by(source)
    })?;
    Ok(compressed.len() as u64)
}

/// Checks that `folder`, which need not exist yet, can be written to and that
/// its disk has room for `needed` bytes.
///
/// # Errors
/// `PermissionDenied` or `LimitExceeded` when not.
pub(crate) async fn check(folder: &Path, needed: u64) -> Result<()> {
    if Place::is_remote(folder) {
        // Nothing is known of its room, and whether it takes writes shows before the first
        // write to the target.
        return ArchiveDirectory::read(folder).await.map(drop);
    }
    let folder = folder.to_owned();
    blocking(move || {
        check_writable("check the backup folder", &folder)?;
        let start = if folder.is_relative() { Path::new(".").join(&folder) } else { folder };
        let there = start.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let free = fs2::available_space(there).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "check the disk", "free space cannot be read")
                .with("path", there.display())
                .with("reason", &source)
                .caused_by(source)
        })?;
        let needed = needed.saturating_add(MARGIN_BYTES);
        if free >= needed {
            return Ok(());
        }
        Err(Error::new(ErrorKind::LimitExceeded, "check the disk", "no room for the backup")
            .with("folder", start.display())
            .with("free_bytes", free)
            .with("estimated_bytes", needed)
            .remedy(Remedy::RoomForArchives))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use repo_core::strategy::{OpenOptions, StorageStrategy};
    use repo_core::{Document, Entity, MemoryStrategy, Timestamp, Version};

    use super::*;

    #[tokio::test]
    async fn a_disk_without_room_is_refused_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("not/there/yet");
        check(&place, 1_000).await.unwrap();
        check(Path::new("relative/not/there"), 1_000).await.unwrap();
        let error = check(&place, u64::MAX / 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert!(error.context_value("free_bytes").is_some());
        assert!(!place.exists());
    }

    #[tokio::test]
    async fn the_estimate_is_no_less_than_the_archive_and_not_far_above() {
        let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
        let schema = CollectionSchema::undeclared("machines".parse().unwrap());
        store.prepare(std::slice::from_ref(&schema)).await.unwrap();
        let side = StoreReference::source(&store);
        assert_eq!(estimate(&side, &schema, 0).await.unwrap(), 0);
        let records: Vec<Record> = (0..3_000)
            .map(|n| {
                let noise = blake3::hash(&[u8::try_from(n % 251).unwrap()]).to_hex();
                let text = format!("{{\"id\":\"m-{n}\",\"noise\":\"{noise}\",\"n\":{n}}}");
                let document = Document::parse(&text).unwrap();
                Record::Live(Entity {
                    collection: schema.collection.clone(),
                    id: schema.id_of(&document).unwrap(),
                    version: Version::FIRST,
                    created_at: Timestamp::from_micros(n * 1_000).unwrap(),
                    updated_at: Timestamp::from_micros(n * 1_000).unwrap(),
                    document,
                })
            })
            .collect();
        store.apply(records.clone()).await.unwrap();
        let whole = compressed_size(&records, &schema).unwrap();
        let estimated = estimate(&side, &schema, 3_000).await.unwrap();
        assert!((whole..whole * 6).contains(&estimated), "{estimated} for {whole}");
    }
}
