//! A whole collection as of a time.

use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{OlderThan, OlderVersion, Record, ScanOptions, as_stored};
use repo_core::{Consistency, Entity, EntityId, Result, Timestamp, Version};

use crate::History;
use crate::walk::Walk;

/// Versions that one request reads, with their documents.
const AT_ONCE: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(199);

impl History {
    /// The entities that were live at a time, in the store's own order, batch by
    /// batch. At most 200 older documents are held at a time, however many versions there
    /// are; the requests for older versions are those of
    /// batches, not of entities.
    ///
    /// # Errors
    /// As [`as_of`](Self::as_of); in the stream as well, where the first error is the
    /// last item.
    pub async fn scan_as_of(
        &self,
        at: Timestamp,
    ) -> Result<BoxStream<'static, Result<Vec<Entity>>>> {
        self.check_begins(at).await?;
        let options = ScanOptions::default().with_consistency(Consistency::Strong);
        let batches = as_stored(self.store.scan(&self.collection, options)).await?;
        let history = self.clone();
        let entities = batches.and_then(move |batch| {
            let history = history.clone();
            async move { history.batch_as_of(batch.into_records()?, at).await }
        });
        Ok(entities.try_filter(|batch| std::future::ready(!batch.is_empty())).boxed())
    }

    async fn batch_as_of(&self, records: Vec<Record>, at: Timestamp) -> Result<Vec<Entity>> {
        let mut walks = Walks::begin(records, at);
        self.walk_all(&mut walks.of, |at, version| walks.walks[at].1.see(version)).await?;
        // Nothing of it was removed while this looked.
        self.check_begins(at).await?;
        let mut entities = Vec::new();
        for (id, walk) in walks.walks {
            let found = self.found(&id, at, walk.end())?;
            entities.extend(found.into_entity(self.collection.clone()));
        }
        Ok(entities)
    }

    /// Gives every older version of these ids to `see`, newest first for each id, with
    /// the number that stands beside the id.
    pub(crate) async fn walk_all(
        &self,
        of: &mut Vec<(OlderThan, usize)>,
        mut see: impl FnMut(usize, OlderVersion),
    ) -> Result<()> {
        while !of.is_empty() {
            let asked: Vec<OlderThan> = of.iter().map(|(of, _)| of.clone()).collect();
            let found = self.store.older_versions(&self.collection, &asked, AT_ONCE).await?;
            let more = found.len() == AT_ONCE.get();
            let mut at = 0;
            for version in found {
                while of[at].0.id != version.id {
                    at += 1;
                }
                of[at].0.version = version.version;
                see(of[at].1, version);
            }
            // What is before the last one is complete.
            of.drain(..if more { at } else { of.len() });
        }
        Ok(())
    }
}

/// The walks of a batch of records.
struct Walks {
    walks: Vec<(EntityId, Walk)>,
    /// Those that have older versions, and which walk is theirs.
    of: Vec<(OlderThan, usize)>,
}

impl Walks {
    fn begin(records: Vec<Record>, at: Timestamp) -> Self {
        let mut this = Self { walks: Vec::with_capacity(records.len()), of: Vec::new() };
        for record in records {
            let (id, version) = (record.id().clone(), record.version());
            if version > Version::FIRST {
                this.of.push((OlderThan::new(id.clone(), version), this.walks.len()));
            }
            let mut walk = Walk::new(at);
            walk.see(record.into());
            this.walks.push((id, walk));
        }
        this
    }
}
