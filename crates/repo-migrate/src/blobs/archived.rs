//! Blobs in archives.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use repo_blob::{BlobOptions, BlobStore, FolderBlobs};
use repo_core::{Error, ErrorKind, Result};

use super::census::Wanted;
use super::check::{inspect, read_one};
use super::copy::BlobCopy;
use super::pace::Pace;
use super::pages::SourcePages;
use super::places::{BlobMove, BlobPlaces};
use super::room;
use crate::archive::ArchiveWriter;
use crate::archive::blob_lines::write_blob;
use crate::options::MigrationOptions;
use crate::progress::{Phase, Progress};
use crate::report::{BlobCount, BlobDepth, BlobProblems};
use crate::store_reference::{StoreReference, blocking};

/// Most keys in an error.
const NAMED: usize = 20;

/// Which blobs an archive is to hold.
#[derive(Debug, Clone)]
pub struct BlobBackup {
    /// The blob stores of the store that is backed up.
    pub places: BlobPlaces,
    /// What is kept of each.
    pub kept: KeptBlobs,
    /// Blobs that are read at a time, at most.
    pub workers: NonZeroUsize,
}

/// What an archive keeps of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBlobs {
    /// Its bytes.
    Contents,
    /// Its SHA-256 alone, which its bytes had when the archive was made.
    Digests,
}

impl BlobBackup {
    /// All blobs, with their bytes.
    #[must_use]
    pub fn new(places: BlobPlaces, kept: KeptBlobs) -> Self {
        Self { places, kept, workers: MigrationOptions::default().workers }
    }
}

/// Adds the blobs that the records of a store need. Each is read in full and compared with
/// its record.
///
/// A blob whose record was archived keeps its bytes for as long as a condemned one is kept,
/// so it is there still; one that became active meanwhile is one more in the list.
///
/// # Errors
/// `Corrupt` if any is missing or differs, with the first keys. Then there is no archive.
pub(crate) async fn add_blobs(
    mut writer: ArchiveWriter,
    side: &StoreReference,
    backup: &BlobBackup,
    progress: &dyn Progress,
) -> Result<ArchiveWriter> {
    let pace = Pace::new(backup.workers, progress);
    let found = inspect(side, &backup.places, BlobDepth::Size, &pace, progress).await?;
    refuse(&found.problems)?;
    progress.phase(Phase::Blobs, Some(found.needed.blobs));
    let contents = backup.kept == KeptBlobs::Contents;
    let mut list = Some(writer.begin_blobs()?);
    let mut count = BlobCount::default();
    let mut append = async |page: Vec<Wanted>| {
        let mut text = Vec::new();
        for wanted in &page {
            count.add(wanted.size);
            write_blob(&wanted.of, &mut text)?;
        }
        let Some(mut open) = list.take() else { return Ok::<_, Error>(()) };
        let appended = blocking(move || {
            open.append(&text, page.len() as u64)?;
            Ok(open)
        });
        list = Some(appended.await?);
        Ok(())
    };
    let problems = if contents {
        let to = open_folder(&writer).await?;
        room::check(&to, found.sound.blobs, found.sound.bytes).await?;
        let moved = BlobMove::new(backup.places.clone(), BlobPlaces::one(to));
        let mut copy = BlobCopy::new(&moved, &pace, progress, false)?;
        copy.of_records(side, &mut append).await?;
        copy.done.problems
    } else {
        read_all(side, &backup.places, &pace, progress, &mut append).await?
    };
    refuse(&problems)?;
    let Some(list) = list else {
        return Err(Error::new(ErrorKind::Invalid, "back up", "the list of blobs was lost"));
    };
    blocking(move || {
        writer.add_blobs(list, contents, count.bytes)?;
        Ok(writer)
    })
    .await
}

async fn open_folder(writer: &ArchiveWriter) -> Result<Arc<dyn BlobStore>> {
    let folder = writer.blobs_folder();
    match folder.to_str() {
        Some(location) => repo_blob::open(location, &BlobOptions::default()).await,
        None => Ok(Arc::new(FolderBlobs::open(&folder).await?)),
    }
}

/// Reads the blobs that are needed, and gives those that are sound.
async fn read_all(
    side: &StoreReference,
    places: &BlobPlaces,
    pace: &Pace<'_>,
    progress: &dyn Progress,
    sound: &mut impl AsyncFnMut(Vec<Wanted>) -> Result<()>,
) -> Result<BlobProblems> {
    let collection = super::record::collection()?;
    let mut problems = BlobProblems::default();
    let mut pages = SourcePages::of(side, places);
    while let Some((place, page)) = pages.next().await? {
        let reads = page.into_iter().map(|wanted| async move {
            let problem = read_one(&place.store, &wanted, pace).await?;
            Ok::<_, Error>((wanted, problem))
        });
        // In their order: so is the list.
        let mut reads = stream::iter(reads).buffered(pace.workers());
        let mut good = Vec::new();
        while let Some((wanted, problem)) = reads.try_next().await? {
            progress.advance(&collection, 1);
            match problem {
                None => good.push(wanted),
                Some(problem) => problems.add(problem),
            }
        }
        sound(good).await?;
    }
    Ok(problems)
}

/// An archive with less than the records need is none.
fn refuse(problems: &BlobProblems) -> Result<()> {
    if problems.is_nothing() {
        return Ok(());
    }
    let keys: Vec<&str> = problems.first.iter().take(NAMED).map(|one| one.key.as_str()).collect();
    let message = "blobs are not as their records say, so no archive can hold them";
    Err(Error::new(ErrorKind::Corrupt, "back up", message)
        .with("missing", problems.missing)
        .with("differ", problems.differs)
        .with("unreadable_records", problems.unreadable)
        .with("keys", keys.join(", "))
        .hint("bring back what they were, or remove their records; or leave the blobs out"))
}
