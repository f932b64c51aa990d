//! Reading the records of blobs.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_blob::{BlobEntry, BlobKey, Expected};
use repo_core::strategy::{Record, Segment};
use repo_core::{EntityId, Error, ErrorKind, Result};

use super::places::BlobPlaces;
use super::record::{BlobRecord, COLLECTION, NeededBlob, collection};
use crate::report::{BlobCount, BlobProblem, BlobProblemKind, BlobProblems};
use crate::store_reference::StoreReference;

/// Records read at a time.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(499);
/// Most names of stores in an error.
const NAMED: usize = 20;

/// A blob that is needed, with a key that is one.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) key: BlobKey,
    pub(crate) expected: Expected,
    pub(crate) size: u64,
    pub(crate) of: NeededBlob,
}

impl Wanted {
    pub(crate) fn new(of: NeededBlob) -> Result<Self> {
        let key: BlobKey = of.key.parse()?;
        let (size, sha256) = (of.size, Some(of.sha256.parse()?));
        let expected = Expected { size: Some(size), sha256, md5: None };
        Ok(Self { key, expected, size, of })
    }

    pub(crate) fn problem(
        &self,
        kind: BlobProblemKind,
        place: &str,
        found: Option<String>,
    ) -> BlobProblem {
        let expected = match kind {
            BlobProblemKind::Digest => self.of.sha256.clone(),
            _ => self.size.to_string(),
        };
        BlobProblem { key: self.of.key.clone(), place: place.to_owned(), kind, expected, found }
    }
}

/// What the records of a store say in sum.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    pub(crate) needed: BlobCount,
    pub(crate) pending: u64,
    pub(crate) deleting: u64,
    pub(crate) problems: BlobProblems,
}

/// Every record of a blob, in batches.
pub(crate) async fn records(
    side: &StoreReference,
) -> Result<BoxStream<'static, Result<Vec<Record>>>> {
    side.scan(&collection()?, Segment::ALL, BATCH).await
}

/// Goes through all records. Each store that they name is to be among all of `places`.
///
/// # Errors
/// `NotFound` where there is no such collection; `ConfigInvalid` for a store that is not
/// named.
pub(crate) async fn take(side: &StoreReference, places: &[&BlobPlaces]) -> Result<Census> {
    if !side.collections().await?.contains_key(&collection()?) {
        let message = "there is no collection blobs, which says what the blobs have to be";
        return Err(side.err(Error::new(
            ErrorKind::NotFound,
            "read the records of blobs",
            message,
        )));
    }
    let mut census = Census::default();
    let mut nowhere = BTreeSet::new();
    let mut batches = records(side).await?;
    while let Some(batch) = batches.try_next().await? {
        for record in &batch {
            match BlobRecord::read(record) {
                Ok(None) => {}
                Ok(Some(BlobRecord::Pending)) => census.pending += 1,
                Ok(Some(BlobRecord::Deleting)) => census.deleting += 1,
                Ok(Some(BlobRecord::Needed(needed))) => {
                    census.needed.add(needed.size);
                    let is_somewhere = |places: &&BlobPlaces| places.of(&needed.store).is_some();
                    if !places.iter().all(is_somewhere) && nowhere.len() < NAMED {
                        nowhere.insert(needed.store);
                    }
                }
                Err(why) => census.problems.add(BlobProblem {
                    key: record.id().to_string(),
                    place: format!("{}:{COLLECTION}", side.location()),
                    kind: BlobProblemKind::Record,
                    expected: why,
                    found: None,
                }),
            }
        }
    }
    if nowhere.is_empty() {
        return Ok(census);
    }
    let names: Vec<String> = nowhere.into_iter().collect();
    let message = "records name blob stores that are not given";
    Err(side
        .err(Error::new(ErrorKind::ConfigInvalid, "read the records of blobs", message))
        .with("stores", names.join(", "))
        .hint("give a store under each of these names, or one without a name for all"))
}

/// What the records say of blobs that a store lists.
#[derive(Debug)]
pub(crate) enum Said {
    /// Needed, and it has this size in the list.
    Needed(Wanted),
    /// Of an upload, being removed, or unreadable.
    Other,
    /// Nothing.
    Nothing,
}

/// Asks for the records of a page of blobs, with one request.
pub(crate) async fn said_of(
    side: &StoreReference,
    page: &[BlobEntry],
) -> Result<Vec<(BlobEntry, Said)>> {
    let ids = page.iter().map(|entry| EntityId::new(&entry.key.to_string()));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let records = side.get_many(&collection()?, &ids).await?;
    let said = |record: Option<Record>| match record.as_ref().map(BlobRecord::read) {
        None | Some(Ok(None)) => Ok(Said::Nothing),
        Some(Ok(Some(BlobRecord::Needed(needed)))) => Wanted::new(needed).map(Said::Needed),
        Some(_) => Ok(Said::Other),
    };
    page.iter().zip(records).map(|(entry, record)| Ok((*entry, said(record)?))).collect()
}
