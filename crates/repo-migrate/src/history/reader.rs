//! Older versions of many records, page after page: of a store by the ids of a batch,
//! of an archive in the order of its file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{OlderThan, OlderVersion};
use repo_core::{CollectionName, EntityId, Result, Version};

use crate::archive::Archive;
use crate::past::{PastVersion, StoredVersion, stored_versions};
use crate::prefetch::prefetch;
use crate::store_reference::StoreReference;

/// Most versions in a page.
const MOST: usize = 200;
/// As many bytes of documents as a page is to have, so that memory does not depend on
/// how large they are. A page says how large the next one may be.
const PAGE_BYTES: usize = 8 * 1_024 * 1_024;

/// Where a history is read.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are one or two of them in a run")]
pub(crate) enum HistoryOrigin {
    /// In a store.
    Store(StoreReference),
    /// In an archive.
    Archive(Archive),
}

impl HistoryOrigin {
    /// The archive, or else the store.
    pub(crate) fn of(archive: Option<&Archive>, store: &StoreReference) -> Self {
        archive.map_or_else(|| Self::Store(store.clone()), |it| Self::Archive(it.clone()))
    }

    /// Every older version of a collection, page after page, except the first `after` of
    /// an archive. Of a store its records are read as well, `batch_size` at a time.
    pub(crate) async fn all(
        &self,
        name: &CollectionName,
        after: u64,
        batch_size: NonZeroUsize,
    ) -> Result<BoxStream<'static, Result<Vec<PastVersion>>>> {
        match self {
            Self::Archive(archive) => archive.versions_after(name, after, most(batch_size)),
            Self::Store(side) => {
                let records = side.scan_all(name, batch_size, 1).await?;
                let (side, name) = (side.clone(), name.clone());
                let pages = records
                    .map_ok(move |records| {
                        StorePages::of(&side, &name, stored_versions(&records)).all()
                    })
                    .try_flatten();
                Ok(prefetch(pages.boxed()))
            }
        }
    }
}

/// No more than one call may write.
fn most(batch_size: NonZeroUsize) -> NonZeroUsize {
    batch_size.min(NonZeroUsize::MIN.saturating_add(MOST - 1))
}

/// Reads the older versions of the records of a collection, batch after batch, in the
/// order in which its origin gives the records.
pub(crate) struct HistoryReader {
    name: CollectionName,
    from: From,
}

enum From {
    Store(StoreReference),
    File(FileReader),
}

/// The file of an archive, read forward.
pub(crate) struct FileReader {
    pages: BoxStream<'static, Result<Vec<PastVersion>>>,
    ahead: VecDeque<PastVersion>,
}

impl HistoryReader {
    pub(crate) fn begin(origin: &HistoryOrigin, name: &CollectionName) -> Result<Self> {
        let from = match origin {
            HistoryOrigin::Store(side) => From::Store(side.clone()),
            HistoryOrigin::Archive(archive) => {
                let most = NonZeroUsize::MIN.saturating_add(MOST - 1);
                let pages = archive.versions_after(name, 0, most)?;
                From::File(FileReader { pages, ahead: VecDeque::new() })
            }
        };
        Ok(Self { name: name.clone(), from })
    }

    /// The older versions of the records of a batch. Of those that are not `wanted`
    /// some may be among them.
    pub(crate) fn of(
        &mut self,
        mut batch: Vec<StoredVersion>,
        wanted: impl Fn(&EntityId) -> bool,
    ) -> BatchVersions<'_> {
        match &mut self.from {
            From::Store(side) => {
                batch.retain(|of| wanted(&of.id));
                BatchVersions::Store(StorePages::of(side, &self.name, batch))
            }
            From::File(file) => {
                let ids = batch.into_iter().map(|of| of.id).collect();
                BatchVersions::File { file, ids }
            }
        }
    }
}

/// The older versions of the records of one batch.
pub(crate) enum BatchVersions<'r> {
    /// By their ids.
    Store(StorePages),
    /// The next ones of the file, as far as they are of these ids.
    File { file: &'r mut FileReader, ids: HashSet<EntityId> },
}

impl BatchVersions<'_> {
    /// The next page, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<PastVersion>>> {
        match self {
            Self::Store(pages) => pages.next().await,
            Self::File { file, ids } => file.next(ids).await,
        }
    }
}

impl FileReader {
    async fn next(&mut self, ids: &HashSet<EntityId>) -> Result<Option<Vec<PastVersion>>> {
        if self.ahead.is_empty() {
            self.ahead.extend(self.pages.try_next().await?.unwrap_or_default());
        }
        let of_batch = self.ahead.iter().take_while(|version| ids.contains(&version.id)).count();
        let page: Vec<PastVersion> = self.ahead.drain(..of_batch).collect();
        Ok((!page.is_empty()).then_some(page))
    }
}

/// Pages of a store: for each id who wrote the stored version, where that is known, and
/// then its older versions.
pub(crate) struct StorePages {
    side: StoreReference,
    name: CollectionName,
    /// Where each id stands.
    order: HashMap<EntityId, usize>,
    /// What is still to be asked for.
    stored: Vec<StoredVersion>,
    /// The stored versions that are to be given, with their places.
    heads: VecDeque<(usize, PastVersion)>,
    of: Vec<OlderThan>,
    most: NonZeroUsize,
}

impl StorePages {
    pub(crate) fn of(
        side: &StoreReference,
        name: &CollectionName,
        stored: Vec<StoredVersion>,
    ) -> Self {
        // The first version replaced nothing.
        let older = stored.iter().filter(|of| of.version > Version::FIRST);
        let of = older.map(|of| OlderThan::new(of.id.clone(), of.version)).collect();
        let order = stored.iter().enumerate().map(|(at, of)| (of.id.clone(), at)).collect();
        let (side, name) = (side.clone(), name.clone());
        let most = NonZeroUsize::MIN.saturating_add(MOST - 1);
        Self { side, name, order, stored, heads: VecDeque::new(), of, most }
    }

    fn all(self) -> BoxStream<'static, Result<Vec<PastVersion>>> {
        let next = |mut pages: Self| async move {
            Ok::<_, repo_core::Error>(pages.next().await?.map(|page| (page, pages)))
        };
        futures::stream::try_unfold(self, next).boxed()
    }

    /// The next page, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<PastVersion>>> {
        self.ask_for_heads().await?;
        let older = if self.of.is_empty() { Vec::new() } else { self.older().await? };
        let keys: Vec<_> = older.iter().map(|one| (one.id.clone(), one.version)).collect();
        let by = match keys.is_empty() {
            true => Vec::new(),
            false => self.side.attributions(&self.name, &keys).await?,
        };
        let mut page = Vec::with_capacity(older.len());
        for (older, by) in older.into_iter().zip(by) {
            let at = self.order.get(&older.id).copied().unwrap_or(0);
            let before = self.heads.partition_point(|(place, _)| *place <= at);
            page.extend(self.heads.drain(..before).map(|(_, head)| head));
            page.push(PastVersion::older(older, by));
        }
        if self.of.is_empty() {
            page.extend(self.heads.drain(..).map(|(_, head)| head));
        }
        self.most = next_size(self.most, &page);
        Ok((!page.is_empty()).then_some(page))
    }

    async fn ask_for_heads(&mut self) -> Result<()> {
        let stored = std::mem::take(&mut self.stored);
        if stored.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = stored.iter().map(|of| (of.id.clone(), of.version)).collect();
        let by = self.side.attributions(&self.name, &keys).await?;
        let known = stored.into_iter().zip(by).enumerate();
        let head = |(at, (stored, by))| Some((at, PastVersion::stored(stored, by?)));
        self.heads = known.filter_map(head).collect();
        Ok(())
    }

    /// The next of the older versions; there is nothing left to ask for at the end.
    async fn older(&mut self) -> Result<Vec<OlderVersion>> {
        let page = self.side.older_versions(&self.name, &self.of, self.most).await?;
        match page.last().filter(|_| page.len() >= self.most.get()) {
            None => self.of.clear(),
            Some(last) => {
                // What is before the last one is complete.
                let at = self.of.iter().position(|of| of.id == last.id).unwrap_or(0);
                self.of.drain(..at);
                if let Some(of) = self.of.first_mut() {
                    of.version = last.version;
                }
            }
        }
        Ok(page)
    }
}

/// How many versions the next page may have.
fn next_size(most: NonZeroUsize, page: &[PastVersion]) -> NonZeroUsize {
    let bytes: usize = page.iter().map(PastVersion::bytes).sum();
    let each = bytes / page.len().max(1);
    let fit = PAGE_BYTES / each.max(1);
    NonZeroUsize::new(fit.min(most.get().saturating_mul(2)).min(MOST)).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::OlderState;
    use repo_core::{Document, Timestamp};

    use super::*;

    #[test]
    fn pages_of_large_documents_are_small_and_grow_again() {
        let time = Timestamp::from_micros(1).unwrap();
        let of = |bytes: usize| {
            let text = format!("{{\"id\":\"{}\"}}", "x".repeat(bytes));
            let document = Document::parse(&text).unwrap();
            let state = OlderState::Live { created_at: time, document };
            let id = EntityId::new("a").unwrap();
            PastVersion::older(OlderVersion::new(id, Version::FIRST, time, state), None)
        };
        let most = NonZeroUsize::new(200).unwrap();
        let small = next_size(most, &[of(300_000), of(300_000)]);
        assert!((20..30).contains(&small.get()), "{small}");
        assert_eq!(next_size(small, &[of(10)]).get(), small.get() * 2);
        assert_eq!(next_size(most, &[of(10)]), most);
        assert_eq!(next_size(most, &[]), most);
    }
}
