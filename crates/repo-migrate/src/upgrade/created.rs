//! Finding what others created while a collection was upgraded.
//!
//! `created_at` survives every write but a delete, so an entity with another one
//! than it was archived with was created anew.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use repo_core::strategy::{Record, Segment};
use repo_core::{CollectionName, Entity, EntityId, Result, Timestamp};

use crate::archive::Archive;
use crate::progress::Progress;
use crate::report::Listed;
use crate::store_reference::{StoreReference, lanes};
use crate::verify::digest::{BUCKETS, bucket_of};

/// Records read at a time.
const BATCH: usize = 256;
/// Ids that are looked for in the archive in one pass over it.
const IDS_EACH: usize = 100_000;

/// The live entities that the archive does not hold, or that were created after
/// it. Births are summed by bucket of the id; only where the sums differ is the
/// archive searched.
pub(crate) async fn find(
    side: &StoreReference,
    name: &CollectionName,
    archive: &Archive,
    progress: &dyn Progress,
) -> Result<Listed> {
    let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
    let mut archived = Births::new();
    let mut records = archive.records(name, batch_size)?;
    while let Some(batch) = records.try_next().await? {
        live(&batch).for_each(|entity| archived.add(entity));
    }
    let mut held = Births::new();
    let mut scan = side.scan_all(name, batch_size, lanes()).await?;
    while let Some(batch) = scan.try_next().await? {
        live(&batch).for_each(|entity| held.add(entity));
        progress.advance(name, batch.len() as u64);
    }
    let mut created = Listed::default();
    if held.0 == archived.0 {
        return Ok(created);
    }
    let mut suspects = HashMap::new();
    let mut scan = side.scan(name, Segment::ALL, batch_size).await?;
    while let Some(batch) = scan.try_next().await? {
        let differ = live(&batch).filter(|entity| held.differs_at(&archived, &entity.id));
        suspects.extend(differ.map(|entity| (entity.id.clone(), entity.created_at)));
        if suspects.len() >= IDS_EACH {
            search(archive, name, std::mem::take(&mut suspects), &mut created).await?;
        }
    }
    search(archive, name, suspects, &mut created).await?;
    created.sort();
    Ok(created)
}

fn live(batch: &[Record]) -> impl Iterator<Item = &Entity> {
    batch.iter().filter_map(|record| match record {
        Record::Live(entity) => Some(entity),
        Record::Tombstone(_) => None,
    })
}

/// Lists those that the archive does not hold with the same birth.
async fn search(
    archive: &Archive,
    name: &CollectionName,
    mut suspects: HashMap<EntityId, Timestamp>,
    created: &mut Listed,
) -> Result<()> {
    if suspects.is_empty() {
        return Ok(());
    }
    let batch_size = NonZeroUsize::new(BATCH).unwrap_or(NonZeroUsize::MIN);
    let mut records = archive.records(name, batch_size)?;
    while let Some(batch) = records.try_next().await? {
        for entity in live(&batch) {
            if suspects.get(&entity.id) == Some(&entity.created_at) {
                suspects.remove(&entity.id);
            }
        }
    }
    suspects.keys().for_each(|id| created.push(id.as_str()));
    Ok(())
}

/// Hashes of id and time of creation, summed by bucket of the id.
struct Births(Vec<u64>);

impl Births {
    fn new() -> Self {
        Self(vec![0; BUCKETS])
    }

    fn add(&mut self, entity: &Entity) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&entity.created_at.as_micros().to_le_bytes());
        hasher.update(entity.id.as_str().as_bytes());
        let mut word = [0; 8];
        hasher.finalize_xof().fill(&mut word);
        if let Some(sum) = self.0.get_mut(bucket_of(&entity.id)) {
            *sum = sum.wrapping_add(u64::from_le_bytes(word));
        }
    }

    fn differs_at(&self, other: &Self, id: &EntityId) -> bool {
        let bucket = bucket_of(id);
        self.0.get(bucket) != other.0.get(bucket)
    }
}
