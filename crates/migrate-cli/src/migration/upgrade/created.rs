//! Finding what others created while a collection was upgraded.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use repo_core::{CollectionName, EntityId, Record, Result, Segment};

use crate::migration::archive::Archive;
use crate::migration::digest::{IdCounts, Sums};
use crate::migration::progress::Progress;
use crate::migration::report::Listed;
use crate::migration::side::{Side, lanes};

/// Records read at a time.
const BATCH: usize = 256;
/// Ids that are looked for in the archive in one pass over it.
const IDS_EACH: usize = 100_000;

/// The live entities that the archive does not hold. Ids are counted by bucket;
/// only where a collection holds more of them is the archive searched.
pub(super) async fn find(
    side: &Side,
    name: &CollectionName,
    archive: &Archive,
    progress: &dyn Progress,
) -> Result<Listed> {
    let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
    let sums = Sums::for_records(archive.manifest().records());
    let mut archived = IdCounts::like(&sums);
    let mut records = archive.records(name, batch_size)?;
    while let Some(batch) = records.try_next().await? {
        batch.iter().for_each(|record| archived.add(sums.bucket_of(record.id())));
    }
    let mut held = IdCounts::like(&sums);
    let mut scan = side.scan_all(name, batch_size, lanes()).await?;
    while let Some(batch) = scan.try_next().await? {
        batch.iter().for_each(|record| held.add(sums.bucket_of(record.id())));
        progress.advance(name, batch.len() as u64);
    }
    let mut created = Listed::default();
    if held == archived {
        return Ok(created);
    }
    let mut suspects = HashSet::new();
    let mut scan = side.scan(name, Segment::ALL, batch_size).await?;
    while let Some(batch) = scan.try_next().await? {
        let suspect = |record: &Record| {
            record.is_live() && held.differs_at(&archived, sums.bucket_of(record.id()))
        };
        suspects.extend(batch.into_iter().filter(suspect).map(|record| record.id().clone()));
        if suspects.len() >= IDS_EACH {
            search(archive, name, std::mem::take(&mut suspects), &mut created).await?;
        }
    }
    search(archive, name, suspects, &mut created).await?;
    created.sort();
    Ok(created)
}

/// Lists the ids that the archive does not hold.
async fn search(
    archive: &Archive,
    name: &CollectionName,
    mut ids: HashSet<EntityId>,
    created: &mut Listed,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
    let mut records = archive.records(name, batch_size)?;
    while let Some(batch) = records.try_next().await? {
        for record in batch {
            ids.remove(record.id());
        }
    }
    ids.iter().for_each(|id| created.push(id.as_str()));
    Ok(())
}
