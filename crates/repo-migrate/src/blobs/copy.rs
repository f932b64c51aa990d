//! Copying blobs from the stores of one side to those of the other.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{BlobStore, ByteRange};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use super::census::Wanted;
use super::check::{about_the_blob, read_one};
use super::listing::Listing;
use super::pace::Pace;
use super::pages::SourcePages;
use super::places::{BlobMove, BlobPlace};
use super::record::collection;
use crate::archive::Archive;
use crate::progress::Progress;
use crate::report::{BlobCount, BlobProblem, BlobProblemKind, BlobProblems};
use crate::store_reference::StoreReference;

/// A copy that is under way.
pub(crate) struct BlobCopy<'a> {
    moved: &'a BlobMove,
    pace: &'a Pace<'a>,
    progress: &'a dyn Progress,
    collection: CollectionName,
    /// Whether nothing is written.
    dry_run: bool,
    pub(crate) done: Copied,
}

/// What became of the blobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copied {
    /// Copied; in a dry run, lacking in the target.
    pub(crate) copied: BlobCount,
    /// There already.
    pub(crate) there: BlobCount,
    pub(crate) problems: BlobProblems,
    /// What each place of the target lacks.
    pub(crate) lacking: Vec<BlobCount>,
}

/// What became of one blob.
enum Arrival {
    Copied,
    There,
    Problem(BlobProblem),
}

impl<'a> BlobCopy<'a> {
    pub(crate) fn new(
        moved: &'a BlobMove,
        pace: &'a Pace<'a>,
        progress: &'a dyn Progress,
        dry_run: bool,
    ) -> Result<Self> {
        let lacking = vec![BlobCount::default(); moved.to.iter().count()];
        let done = Copied { lacking, ..Copied::default() };
        Ok(Self { moved, pace, progress, collection: collection()?, dry_run, done })
    }

    /// Copies what the records of a store need, in the order of keys, store by store. What a
    /// list of the source lacks, or has with another size, is left: it was named before.
    /// `arrived` is given what is in the target, page by page.
    pub(crate) async fn of_records(
        &mut self,
        side: &StoreReference,
        arrived: &mut impl AsyncFnMut(Vec<Wanted>) -> Result<()>,
    ) -> Result<()> {
        let mut targets = self.targets();
        let mut pages = SourcePages::of(side, &self.moved.from);
        while let Some((place, wanted)) = pages.next().await? {
            let there = self.page(place, wanted, &mut targets).await?;
            arrived(there).await?;
        }
        Ok(())
    }

    /// Copies what an archive lists.
    pub(crate) async fn of_archive(&mut self, archive: &Archive) -> Result<()> {
        let moved = self.moved;
        // Without bytes in the archive there is no place that they come from.
        let Some(place) = moved.from.iter().next() else { return Ok(()) };
        let mut targets = self.targets();
        let mut pages = archive.blobs();
        while let Some(page) = pages.try_next().await? {
            let wanted = page.into_iter().map(Wanted::new).collect::<Result<Vec<_>>>()?;
            self.page(place, wanted, &mut targets).await?;
        }
        Ok(())
    }

    fn targets(&self) -> Vec<Listing> {
        self.moved.to.iter().map(|place| Listing::of(&place.store)).collect()
    }

    /// Copies those of one page that the target lacks, and gives those that are there.
    async fn page(
        &mut self,
        from: &BlobPlace,
        page: Vec<Wanted>,
        targets: &mut [Listing],
    ) -> Result<Vec<Wanted>> {
        let (mut there, mut lacking) = (Vec::new(), Vec::new());
        for wanted in page {
            let to = self.moved.to.index_of(&wanted.of.store);
            let Some((to, listing)) = to.and_then(|to| Some((to, targets.get_mut(to)?))) else {
                continue;
            };
            match listing.size_of(&wanted.key).await? {
                None => {
                    if let Some(lacks) = self.done.lacking.get_mut(to) {
                        lacks.add(wanted.size);
                    }
                    lacking.push(wanted);
                }
                Some(size) => match self.found(&wanted, size) {
                    Arrival::Problem(problem) => self.done.problems.add(problem),
                    _ => {
                        self.done.there.add(wanted.size);
                        there.push(wanted);
                    }
                },
            }
        }
        if self.dry_run {
            lacking.iter().for_each(|wanted| self.done.copied.add(wanted.size));
            return Ok(there);
        }
        if !there.is_empty() {
            self.progress.advance(&self.collection, there.len() as u64);
        }
        self.copy_all(from, lacking, &mut there).await?;
        there.sort_by_key(|wanted| wanted.key);
        Ok(there)
    }

    async fn copy_all(
        &mut self,
        from: &BlobPlace,
        lacking: Vec<Wanted>,
        there: &mut Vec<Wanted>,
    ) -> Result<()> {
        let (moved, pace) = (self.moved, self.pace);
        let copies = lacking.into_iter().map(|wanted| async move {
            let arrival = match moved.to.of(&wanted.of.store) {
                Some(to) => copy_one(&from.store, &to.store, &wanted, pace).await?,
                None => Arrival::There,
            };
            Ok::<_, Error>((wanted, arrival))
        });
        let mut copies = stream::iter(copies).buffer_unordered(pace.workers());
        while let Some((wanted, arrival)) = copies.try_next().await? {
            self.progress.advance(&self.collection, 1);
            match arrival {
                Arrival::Problem(problem) => {
                    self.done.problems.add(problem);
                    continue;
                }
                Arrival::Copied => {
                    copied(wanted.size);
                    self.done.copied.add(wanted.size);
                }
                Arrival::There => self.done.there.add(wanted.size),
            }
            there.push(wanted);
        }
        Ok(())
    }

    /// What a blob of the target with this size is.
    fn found(&self, wanted: &Wanted, size: u64) -> Arrival {
        if size == wanted.size {
            return Arrival::There;
        }
        let at = self.moved.to.of(&wanted.of.store).map(|place| place.store.location());
        let at = at.unwrap_or_default();
        Arrival::Problem(wanted.problem(BlobProblemKind::Size, &at, Some(size.to_string())))
    }
}

/// Copies one blob, and compares its bytes with the record while they pass.
async fn copy_one(
    from: &Arc<dyn BlobStore>,
    to: &Arc<dyn BlobStore>,
    wanted: &Wanted,
    pace: &Pace<'_>,
) -> Result<Arrival> {
    let copied = pace.blob(|| async {
        let blob = match from.get(&wanted.key, ByteRange::WHOLE).await {
            Ok(blob) => blob,
            Err(error) => return problem_of(error, wanted, from),
        };
        match to.put(&wanted.key, blob.bytes, &wanted.expected).await {
            Ok(_) => Ok(Arrival::Copied),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Arrival::There),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                after_lost_answer(to, wanted, error).await
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            Err(error) => problem_of(error, wanted, from),
        }
    });
    let arrival = copied.await.map_err(|error| error.with("blob", wanted.key))?;
    // Somebody else wrote it meanwhile: what it is has to be looked at.
    match arrival {
        Arrival::There => Ok(match read_one(to, wanted, pace).await? {
            None => Arrival::There,
            Some(problem) => Arrival::Problem(problem),
        }),
        arrival => Ok(arrival),
    }
}

/// The blob itself is not as it should be, or its store failed.
fn problem_of(error: Error, wanted: &Wanted, from: &Arc<dyn BlobStore>) -> Result<Arrival> {
    about_the_blob(&error, wanted, &from.location()).map(Arrival::Problem).ok_or(error)
}

/// Whether a write without an answer arrived. One that did not is made again.
async fn after_lost_answer(
    to: &Arc<dyn BlobStore>,
    wanted: &Wanted,
    error: Error,
) -> Result<Arrival> {
    match to.head(&wanted.key).await {
        Ok(_) => Ok(Arrival::There),
        Err(found) if found.kind() == ErrorKind::NotFound => {
            Err(error.into_kind(ErrorKind::Unavailable))
        }
        Err(found) => Err(found),
    }
}

/// Counts a copied blob, for the recorder that the program installed.
fn copied(bytes: u64) {
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("repository_migration_copied_blobs_total").increment(1);
        metrics::counter!("repository_migration_copied_blob_bytes_total").increment(bytes);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = bytes;
}
