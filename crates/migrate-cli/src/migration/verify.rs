//! Comparing two stores completely, in both directions, whatever the order in
//! which they return records, in bounded memory.
//!
//! Both sides are read once and their digests summed by bucket. Only where
//! sums differ are records read again, and each difference is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use repo_core::{
    Clock as _, CollectionName, CollectionState, Error, ErrorKind, Result, StorageStrategy,
    SystemClock,
};

use super::pair::{Expected, Half, Pair};
use super::plan::unknown_collection;
use super::progress::{Phase, Progress};
use super::side::Side;
use super::verify_report::{Depth, VerifyReport};

/// What is to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyOptions {
    /// Which collections; `None` means all that either side holds.
    pub collections: Option<Vec<CollectionName>>,
    /// How much of each record.
    pub depth: Depth,
}

/// Compares two stores, in both directions. Changes nothing. A floor of the
/// target below the source's counts as a difference, a higher one does not.
///
/// # Errors
/// `ConfigInvalid` for a collection that neither side holds, and when both are
/// one store; what either side refuses, with `side` in the context.
pub async fn verify(
    source: &Arc<dyn StorageStrategy>,
    target: &Arc<dyn StorageStrategy>,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    let (source, target) = (Side::source(source), Side::target(target));
    if source.location() == target.location() {
        return Err(Error::new(ErrorKind::ConfigInvalid, "verify", "both sides are one store")
            .with("store", source.location()));
    }
    let held = Held::read(&source, &target).await?;
    let names = held.choose(options.collections.as_deref())?;
    let chosen = names.into_iter().map(|name| (name, None)).collect();
    compare(&source, &target, chosen, options.depth, progress).await
}

/// Compares the chosen collections.
pub(super) async fn compare(
    source: &Side,
    target: &Side,
    chosen: Vec<(CollectionName, Option<Expected<'_>>)>,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    let started_at = SystemClock.now();
    let held = Held::read(source, target).await?;
    let mut pairs = Vec::new();
    for (name, expected) in chosen {
        let pair = Pair {
            source: Half::new(source, &name, held.source.get(&name)).await?,
            target: Half::new(target, &name, held.target.get(&name)).await?,
            name,
            depth,
        };
        pairs.push((pair, expected));
    }
    let total = pairs.iter().map(|(pair, _)| pair.live()).sum();
    progress.phase(Phase::Verify, Some(total));
    let mut collections = Vec::new();
    for (pair, expected) in &pairs {
        collections.push(pair.compare(*expected, progress).await?);
    }
    Ok(VerifyReport {
        depth,
        equal: collections.iter().all(|collection| collection.equal),
        source: source.location().to_owned(),
        target: target.location().to_owned(),
        started_at,
        finished_at: SystemClock.now(),
        collections,
    })
}

/// The prepared collections of both sides.
struct Held {
    source: BTreeMap<CollectionName, CollectionState>,
    target: BTreeMap<CollectionName, CollectionState>,
}

impl Held {
    async fn read(source: &Side, target: &Side) -> Result<Self> {
        Ok(Self { source: source.collections().await?, target: target.collections().await? })
    }

    fn choose(&self, asked: Option<&[CollectionName]>) -> Result<Vec<CollectionName>> {
        let either = || self.source.keys().chain(self.target.keys());
        let mut names: Vec<CollectionName> = match asked {
            None => either().cloned().collect(),
            Some(names) => names.to_vec(),
        };
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "verify", "there is no collection"));
        }
        match names.iter().find(|name| !either().any(|held| held == *name)) {
            None => Ok(names),
            Some(unknown) => Err(unknown_collection(
                Error::new(
                    ErrorKind::ConfigInvalid,
                    "verify",
                    "neither side holds such a collection",
                ),
                unknown,
                either(),
            )),
        }
    }
}
