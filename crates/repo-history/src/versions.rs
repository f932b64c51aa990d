//! All versions of an entity, and one of them.

use std::num::NonZeroUsize;

use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _, try_unfold};
use repo_core::strategy::{OlderState, OlderThan, OlderVersion, Record, as_stored};
use repo_core::{Attribution, EntityId, Error, ErrorKind, Result, Version};

use crate::History;
use crate::walk::between;

/// Versions that one request reads.
pub(crate) const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

const READ: &str = "read the versions";

/// A place in the list of the versions of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownVersion {
    /// A version that is kept, or of which is kept that it was there.
    Kept {
        /// What it was.
        version: OlderVersion,
        /// Who wrote it, and why, where somebody said so.
        by: Option<Attribution>,
    },
    /// Versions that are not kept: they were removed, or written elsewhere.
    Missing {
        /// The lowest.
        first: u64,
        /// The highest.
        last: u64,
    },
}

/// Some of the versions of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionsPage {
    /// From the newest to the oldest.
    pub versions: Vec<KnownVersion>,
    /// The next page holds versions below this one; `None` at the last page.
    pub next: Option<Version>,
}

impl History {
    /// At most `most` versions of an entity, from the newest down, or below `below`,
    /// and the gaps between them.
    ///
    /// # Errors
    /// `NotFound` where no history is kept, and for an id that never was; those of
    /// the store.
    pub async fn versions(
        &self,
        id: &EntityId,
        below: Option<Version>,
        most: NonZeroUsize,
    ) -> Result<VersionsPage> {
        let newest = self.newest(id).await?.filter(|n| below.is_none_or(|below| n.version < below));
        // Asked for even where one fits, so that a missing history is reported.
        let under = newest.as_ref().map(|newest| newest.version).or(below);
        let older = self.older(id, under.map_or_else(highest, Ok)?, most).await?;
        // A gap is one between two versions that are known.
        let above = below.filter(|_| newest.is_none() && !older.is_empty());
        let mut kept: Vec<OlderVersion> = newest.into_iter().chain(older).collect();
        if kept.is_empty() && below.is_none() {
            return Err(self.not_found(id, "there is no such entity"));
        }
        let more = kept.len() >= most.get();
        kept.truncate(most.get());
        let next = kept.last().map(|last| last.version).filter(|_| more);
        let of: Vec<_> = kept.iter().map(|kept| (id.clone(), kept.version)).collect();
        let by = self.store.attributions(&self.collection, &of).await?;
        Ok(VersionsPage { versions: with_gaps(kept.into_iter().zip(by), above), next })
    }

    /// All versions of an entity, from the newest to the oldest, in bounded memory.
    pub fn all_versions<'h>(&'h self, id: &'h EntityId) -> BoxStream<'h, Result<KnownVersion>> {
        let pages = try_unfold(Some(None), move |below: Option<Option<Version>>| async move {
            let Some(below) = below else { return Ok(None) };
            let page = self.versions(id, below, AT_ONCE).await?;
            Ok::<_, Error>(Some((page.versions, page.next.map(Some))))
        });
        pages.map_ok(|versions| futures_util::stream::iter(versions).map(Ok)).try_flatten().boxed()
    }

    /// A version of an entity, which was live or deleted then.
    ///
    /// # Errors
    /// `NotFound` for a version that is not there yet, that is from before the
    /// history, that retention removed or that is missing: the message says which.
    pub async fn at_version(&self, id: &EntityId, version: Version) -> Result<OlderVersion> {
        let state = self.state().await?;
        let newest = self.newest(id).await?;
        if let Some(newest) = newest.as_ref().filter(|newest| newest.version <= version) {
            if newest.version == version {
                return Ok(newest.clone());
            }
            let why = "the entity has no such version yet";
            return Err(self.not_found(id, why).with("newest_version", newest.version));
        }
        let refused = |why| Err(self.not_found(id, why).with("version", version));
        let most = NonZeroUsize::MIN;
        let found = match version.next() {
            Ok(above) => self.older(id, above, most).await?.into_iter().next(),
            Err(_) => None,
        };
        match found {
            Some(found) if found.version == version => match found.state {
                OlderState::Removed => refused("retention removed this version"),
                _ => Ok(found),
            },
            Some(_) => {
                refused("this version is not kept: it was removed, or it was written elsewhere")
            }
            None if newest.is_none() => Err(self.not_found(id, "there is no such entity")),
            None => Err(self
                .not_found(
                    id,
                    "this version is not kept: it is from before the history, or was removed",
                )
                .with("version", version)
                .with("history_begins", state.since)),
        }
    }

    /// Who wrote a version of an entity, and why; `None` where nobody said so.
    ///
    /// # Errors
    /// `NotFound` where no history is kept; those of the store.
    pub async fn attribution(
        &self,
        id: &EntityId,
        version: Version,
    ) -> Result<Option<Attribution>> {
        let of = [(id.clone(), version)];
        Ok(self.store.attributions(&self.collection, &of).await?.into_iter().next().flatten())
    }

    /// The newest version of an entity, live or deleted.
    ///
    /// # Errors
    /// `NotFound` for an id that is not there; those of the store.
    pub async fn newest_version(&self, id: &EntityId) -> Result<Version> {
        let newest = self.newest(id).await?;
        newest.map(|newest| newest.version).ok_or_else(|| self.not_found(id, "no such entity"))
    }

    /// What is stored now.
    pub(crate) async fn newest(&self, id: &EntityId) -> Result<Option<OlderVersion>> {
        let ids = std::slice::from_ref(id);
        let records = as_stored(self.store.get_many(&self.collection, ids)).await?;
        Ok(records.into_iter().next().flatten().map(|record: Record| record.into()))
    }

    pub(crate) async fn older(
        &self,
        id: &EntityId,
        below: Version,
        most: NonZeroUsize,
    ) -> Result<Vec<OlderVersion>> {
        let of = OlderThan::new(id.clone(), below);
        self.store.older_versions(&self.collection, &[of], most).await
    }

    pub(crate) fn not_found(&self, id: &EntityId, why: &'static str) -> Error {
        Error::new(ErrorKind::NotFound, READ, why)
            .with("collection", &self.collection)
            .with("id", id)
    }
}

/// Above every version of a record that was purged.
pub(crate) fn highest() -> Result<Version> {
    Version::new(Version::MAX)
}

fn with_gaps(
    kept: impl Iterator<Item = (OlderVersion, Option<Attribution>)>,
    below: Option<Version>,
) -> Vec<KnownVersion> {
    let mut all = Vec::new();
    let mut newer = below;
    for (version, by) in kept {
        if let Some(gap) = newer.and_then(|newer| between(version.version, newer)) {
            all.push(KnownVersion::Missing { first: *gap.start(), last: *gap.end() });
        }
        newer = Some(version.version);
        all.push(KnownVersion::Kept { version, by });
    }
    all
}
