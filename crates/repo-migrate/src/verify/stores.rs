//! Two open stores, compared: which collections, how deep, by which upgrades.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use repo_core::strategy::{CollectionState, HistoryState, StorageStrategy};
use repo_core::{Clock as _, CollectionName, Error, ErrorKind, Result, Schemas, SystemClock};

use crate::archive::Archive;
use crate::history::compare::{HistoryComparison, HistorySide};
use crate::history::reader::HistoryOrigin;
use crate::plan::sameness::Evidence;
use crate::plan::unknown_collection;
use crate::progress::{Phase, Progress};
use crate::store_reference::StoreReference;
use crate::upgrade::path::Upgrading;
use crate::verify::comparison::{CollectionComparison, ComparedCollection, Expected};
use crate::verify::report::{Depth, VerifyReport};
use crate::verify::state::{Compared, ComparisonState};

/// What is to be compared.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Which collections; `None` means all that either side holds.
    pub collections: Option<Vec<CollectionName>>,
    /// How much of each record.
    pub depth: Depth,
    /// Where the source is of an older schema version than the target, its
    /// documents are compared as the upgrades of these schemas leave them.
    /// Without one between the two versions they are compared as they are.
    pub upgrades: Option<Arc<Schemas>>,
    /// A file that keeps how far the comparison is. One that was ended goes on
    /// from there; the file goes when it is done.
    pub state: Option<PathBuf>,
    /// Whether older versions, tags and what else belongs to them are not compared.
    pub without_history: bool,
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
    let (source, target) = (StoreReference::source(source), StoreReference::target(target));
    let (chosen, held) = choose(&source, &target, options.collections.as_deref()).await?;
    let names = chosen.iter().map(|(name, _)| name);
    let invented = source.invents_versions().await? || target.invents_versions().await?;
    let depth = options.depth.without_versions(invented);
    let upgrading = options.upgrades.as_ref().map(|schemas| held.upgrading(schemas, names));
    let names = chosen.iter().map(|(name, _)| name.clone()).collect();
    let kept = match &options.state {
        Some(file) => {
            let compared = Compared {
                source: source.location().to_owned(),
                target: target.location().to_owned(),
                collections: names,
                depth,
                with_history: !options.without_history && keeps_history(&source).await?,
            };
            Some(ComparisonState::open(file, compared, SystemClock.now()).await?)
        }
        None => None,
    };
    let upgrading = &upgrading.unwrap_or_default();
    let with_history = !options.without_history;
    let how =
        CompareOptions { depth, upgrading, kept: kept.as_ref(), restored: None, with_history };
    let compared = compare(&source, &target, chosen, how, progress).await;
    match (kept, &compared) {
        (Some(kept), Ok(_)) => kept.remove().await?,
        // What the comparison failed of is what counts.
        (Some(kept), Err(_)) => kept.flush().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the state of the comparison could not be kept");
        }),
        (None, _) => {}
    }
    compared
}

/// How two stores are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompareOptions<'a> {
    pub(crate) depth: Depth,
    /// What becomes of the source's documents before that.
    pub(crate) upgrading: &'a Upgrading,
    /// How far it is.
    pub(crate) kept: Option<&'a ComparisonState>,
    /// The archive that the source is.
    pub(crate) restored: Option<&'a Archive>,
    /// Whether older versions and items are compared as well.
    pub(crate) with_history: bool,
}

async fn keeps_history(side: &StoreReference) -> Result<bool> {
    Ok(!side.record().await?.history.is_empty())
}

/// What is compared, and what both sides hold.
async fn choose<'a>(
    source: &StoreReference,
    target: &StoreReference,
    collections: Option<&[CollectionName]>,
) -> Result<(Vec<(CollectionName, Option<Expected<'a>>)>, PreparedCollections)> {
    Evidence::read(source, target).await?.refuse_same(source, target, "verify")?;
    let held = PreparedCollections::read(source, target).await?;
    let names = held.choose(collections)?;
    Ok((names.into_iter().map(|name| (name, None)).collect(), held))
}

/// Compares the chosen collections.
pub(crate) async fn compare(
    source: &StoreReference,
    target: &StoreReference,
    chosen: Vec<(CollectionName, Option<Expected<'_>>)>,
    how: CompareOptions<'_>,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    let started_at = SystemClock.now();
    let held = PreparedCollections::read(source, target).await?;
    let mut pairs = Vec::new();
    let pasts = Pasts::read(source, target, &held, how).await?;
    for (name, expected) in chosen {
        let history = pasts.of(&name);
        let known = expected.map(|expected| expected.read.live());
        let pair = CollectionComparison {
            source: ComparedCollection::new(
                source,
                &name,
                held.source.get(&name),
                known,
                how.depth,
            )
            .await?
            .upgraded(how.upgrading.get(&name))
            .with_past(history.as_ref().map(|history| &history.source)),
            target: ComparedCollection::new(
                target,
                &name,
                held.target.get(&name),
                known,
                how.depth,
            )
            .await?
            .with_past(history.as_ref().map(|history| &history.target)),
            items: pasts.items(),
            name,
            depth: how.depth,
            history,
        };
        pairs.push((pair, expected));
    }
    let total = pairs.iter().map(|(pair, expected)| pair.live(*expected)).sum();
    progress.phase(Phase::Verify, Some(total));
    let mut collections = Vec::new();
    for (pair, expected) in &pairs {
        collections.push(pair.compare(*expected, how.kept, progress).await?);
    }
    Ok(VerifyReport {
        blobs: Vec::new(),
        depth: how.depth,
        equal: collections.iter().all(|collection| collection.equal),
        source: source.location().to_owned(),
        target: target.location().to_owned(),
        resumed_from: how.kept.and_then(ComparisonState::resumed_from),
        started_at,
        finished_at: SystemClock.now(),
        collections,
    })
}

/// What both sides keep of the past.
struct Pasts<'a> {
    sides: [(&'a StoreReference, HistoryOrigin); 2],
    histories: [BTreeMap<CollectionName, HistoryState>; 2],
    prepared: &'a PreparedCollections,
    depth: Depth,
    has_items: bool,
    compared: bool,
}

impl<'a> Pasts<'a> {
    async fn read(
        source: &'a StoreReference,
        target: &'a StoreReference,
        prepared: &'a PreparedCollections,
        how: CompareOptions<'_>,
    ) -> Result<Self> {
        let compared = how.with_history && how.depth.has_versions();
        let sides = [
            (source, HistoryOrigin::of(how.restored, source)),
            (target, HistoryOrigin::Store(target.clone())),
        ];
        let histories = [source.record().await?.history, target.record().await?.history];
        let has_items =
            compared && (sides[0].1.has_items().await? || sides[1].1.has_items().await?);
        Ok(Self { sides, histories, prepared, depth: how.depth, has_items, compared })
    }

    /// What is compared of a collection: something where the source keeps its history.
    fn of(&self, name: &CollectionName) -> Option<HistoryComparison> {
        if !self.compared || !self.histories[0].contains_key(name) {
            return None;
        }
        let side = |at: usize, held: &BTreeMap<CollectionName, CollectionState>| HistorySide {
            side: self.sides[at].0.clone(),
            origin: self.sides[at].1.clone(),
            state: self.histories[at].get(name).copied(),
            prepared: held.contains_key(name),
        };
        Some(HistoryComparison {
            name: name.clone(),
            source: side(0, &self.prepared.source),
            target: side(1, &self.prepared.target),
            depth: self.depth,
        })
    }

    /// Where the items of both sides are read, if there are any.
    fn items(&self) -> Option<(HistoryOrigin, HistoryOrigin)> {
        self.has_items.then(|| (self.sides[0].1.clone(), self.sides[1].1.clone()))
    }
}

/// The prepared collections of both sides.
pub(crate) struct PreparedCollections {
    source: BTreeMap<CollectionName, CollectionState>,
    target: BTreeMap<CollectionName, CollectionState>,
}

impl PreparedCollections {
    pub(crate) async fn read(source: &StoreReference, target: &StoreReference) -> Result<Self> {
        Ok(Self { source: source.collections().await?, target: target.collections().await? })
    }

    /// The ways from the source's schema versions to the target's.
    pub(crate) fn upgrading<'a>(
        &self,
        schemas: &Schemas,
        names: impl Iterator<Item = &'a CollectionName>,
    ) -> Upgrading {
        let way = |name: &CollectionName| {
            let from = self.source.get(name)?.schema_version;
            let to = self.target.get(name)?.schema_version;
            let path = schemas.get(name).upgrade_path(from, to).filter(|path| !path.is_empty());
            Some((name.clone(), Arc::new(path?)))
        };
        names.filter_map(way).collect()
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
