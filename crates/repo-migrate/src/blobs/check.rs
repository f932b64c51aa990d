//! Comparing the blobs of a store with its records.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{BlobEntry, BlobKey, BlobStore};
use repo_core::strategy::StorageStrategy;
use repo_core::{CollectionName, Error, ErrorKind, Result};

use super::census::{self, Said, Wanted, said_of};
use super::listing::Listing;
use super::pace::Pace;
use super::places::{BlobPlace, BlobPlaces};
use super::record::{BlobRecord, collection};
use crate::options::MigrationOptions;
use crate::progress::{Phase, Progress};
use crate::report::{
    BlobCount, BlobDepth, BlobProblem, BlobProblemKind, BlobsVerification, Listed,
};
use crate::store_reference::StoreReference;

/// Compares the blobs of a store with its records, which only need to be readable. `side` is
/// its name in the report and in errors: `source`, `target`, or nothing.
///
/// # Errors
/// `NotFound` where the store has no collection `blobs`; `ConfigInvalid` where records name a
/// blob store that is not among `places`; what either refuses.
pub async fn verify_blobs(
    store: &Arc<dyn StorageStrategy>,
    side: &'static str,
    places: &BlobPlaces,
    depth: BlobDepth,
    progress: &dyn Progress,
) -> Result<BlobsVerification> {
    let side = StoreReference::named(store, side);
    let pace = Pace::new(MigrationOptions::default().workers, progress);
    inspect(&side, places, depth, &pace, progress).await
}

/// The same at the pace of a run.
pub(crate) async fn inspect(
    side: &StoreReference,
    places: &BlobPlaces,
    depth: BlobDepth,
    pace: &Pace<'_>,
    progress: &dyn Progress,
) -> Result<BlobsVerification> {
    let census = census::take(side, &[places]).await?;
    progress.phase(Phase::BlobCheck, Some(census.needed.blobs));
    let mut inspection = Inspection {
        side,
        places,
        depth,
        pace,
        progress,
        collection: collection()?,
        seen: 0,
        found: BlobsVerification {
            side: side.name().to_owned(),
            depth,
            needed: census.needed,
            sound: BlobCount::default(),
            pending: census.pending,
            unrecorded: Listed::default(),
            problems: census.problems,
        },
    };
    for (index, place) in places.iter().enumerate() {
        let mut listing = Listing::of(&place.store);
        while let Some(page) = listing.next_page().await? {
            inspection.page(index, place, &page).await?;
        }
    }
    if inspection.seen < census.needed.blobs {
        inspection.name_missing().await?;
    }
    Ok(inspection.found)
}

struct Inspection<'a> {
    side: &'a StoreReference,
    places: &'a BlobPlaces,
    depth: BlobDepth,
    pace: &'a Pace<'a>,
    progress: &'a dyn Progress,
    collection: CollectionName,
    /// Needed blobs that a list had, sound or not.
    seen: u64,
    found: BlobsVerification,
}

impl Inspection<'_> {
    async fn page(&mut self, index: usize, place: &BlobPlace, page: &[BlobEntry]) -> Result<()> {
        let mut whole = Vec::new();
        for (entry, said) in said_of(self.side, page).await? {
            match said {
                Said::Needed(wanted) if self.places.index_of(&wanted.of.store) == Some(index) => {
                    self.seen += 1;
                    if entry.meta.size == wanted.size {
                        whole.push(wanted);
                    } else {
                        let found = Some(entry.meta.size.to_string());
                        let at = place.store.location();
                        self.found.problems.add(wanted.problem(BlobProblemKind::Size, &at, found));
                    }
                }
                Said::Other => {}
                Said::Needed(_) | Said::Nothing => {
                    self.found.unrecorded.push(&place.shown(&entry.key));
                }
            }
        }
        let count = whole.len() as u64;
        match self.depth {
            BlobDepth::Size => whole.iter().for_each(|wanted| self.found.sound.add(wanted.size)),
            BlobDepth::Full => self.read(place, whole).await?,
        }
        if self.depth == BlobDepth::Size {
            self.progress.advance(&self.collection, count);
        }
        Ok(())
    }

    /// Reads blobs in full.
    async fn read(&mut self, place: &BlobPlace, whole: Vec<Wanted>) -> Result<()> {
        let pace = self.pace;
        let checks = whole.into_iter().map(|wanted| async move {
            let problem = read_one(&place.store, &wanted, pace).await?;
            Ok::<_, Error>((wanted, problem))
        });
        let mut checks = stream::iter(checks).buffer_unordered(pace.workers());
        while let Some((wanted, problem)) = checks.try_next().await? {
            match problem {
                None => self.found.sound.add(wanted.size),
                Some(problem) => self.found.problems.add(problem),
            }
            self.progress.advance(&self.collection, 1);
        }
        Ok(())
    }

    /// Some needed blobs were in no list: asks for each, to name them.
    async fn name_missing(&mut self) -> Result<()> {
        let mut batches = census::records(self.side).await?;
        while let Some(batch) = batches.try_next().await? {
            let mut wanted = Vec::new();
            for record in &batch {
                if let Ok(Some(BlobRecord::Needed(needed))) = BlobRecord::read(record) {
                    wanted.push(Wanted::new(needed)?);
                }
            }
            let (places, pace) = (self.places, self.pace);
            let looks = wanted.into_iter().map(|wanted| async move {
                let Some(place) = places.of(&wanted.of.store) else { return Ok(None) };
                let found = pace.blob(|| is_there(&place.store, &wanted.key)).await?;
                let at = place.store.location();
                Ok::<_, Error>(
                    (!found).then(|| wanted.problem(BlobProblemKind::Missing, &at, None)),
                )
            });
            let mut looks = stream::iter(looks).buffer_unordered(pace.workers());
            while let Some(missing) = looks.try_next().await? {
                missing.into_iter().for_each(|missing| self.found.problems.add(missing));
            }
        }
        Ok(())
    }
}

async fn is_there(store: &Arc<dyn BlobStore>, key: &BlobKey) -> Result<bool> {
    match store.head(key).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a blob and says what is wrong with it, if anything is.
pub(crate) async fn read_one(
    store: &Arc<dyn BlobStore>,
    wanted: &Wanted,
    pace: &Pace<'_>,
) -> Result<Option<BlobProblem>> {
    let read = pace.blob(|| store.check(&wanted.key, &wanted.expected)).await;
    match read {
        Ok(_) => Ok(None),
        Err(error) => about_the_blob(&error, wanted, &store.location()).map(Some).ok_or(error),
    }
}

/// What an error says of the bytes of a blob, rather than of its store.
pub(crate) fn about_the_blob(error: &Error, wanted: &Wanted, at: &str) -> Option<BlobProblem> {
    let found = error.context_value("found").map(str::to_owned);
    let kind = match (error.kind(), error.context_value("differs")) {
        // Without a key it is the bucket or the folder that is not there.
        (ErrorKind::NotFound, _) if error.context_value("key").is_some() => {
            BlobProblemKind::Missing
        }
        (ErrorKind::Invalid | ErrorKind::Corrupt, Some("sha256" | "md5")) => {
            BlobProblemKind::Digest
        }
        (ErrorKind::Invalid | ErrorKind::Corrupt, Some(_)) | (ErrorKind::Corrupt, None) => {
            BlobProblemKind::Size
        }
        _ => return None,
    };
    Some(wanted.problem(kind, at, found))
}
