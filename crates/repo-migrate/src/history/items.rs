//! The engine's own items that belong to collections and travel with them: tags, and
//! whatever else [`SystemCollection::travels`].

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{SystemCollection, SystemItem};
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::history::reader::HistoryOrigin;
use crate::store_reference::StoreReference;

/// Items that one request reads.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(499);

/// The collections of the engine whose items travel.
pub(crate) fn travelling() -> impl Iterator<Item = SystemCollection> {
    SystemCollection::ALL.iter().copied().filter(|of| of.travels())
}

/// How the keys of the items begin that belong to a collection, in every collection of
/// the engine whose items travel.
fn key_prefix(name: &CollectionName) -> String {
    format!("{name}/")
}

impl HistoryOrigin {
    /// Whether there is an item at all that travels.
    pub(crate) async fn has_items(&self) -> Result<bool> {
        match self {
            Self::Archive(archive) => Ok(archive.manifest().items.is_some()),
            Self::Store(side) => match side.has_items(travelling()).await {
                Err(error) if has_none(&error) => Ok(false),
                found => found,
            },
        }
    }

    /// The items of a collection that travel, by their keys.
    pub(crate) fn items(
        &self,
        of: SystemCollection,
        name: &CollectionName,
    ) -> BoxStream<'static, Result<Vec<SystemItem>>> {
        let prefix = key_prefix(name);
        match self {
            Self::Store(side) => pages(side.clone(), of, prefix),
            Self::Archive(archive) => {
                let wanted = move |items: Vec<(SystemCollection, SystemItem)>| {
                    let ours = |(found, item): &(SystemCollection, SystemItem)| {
                        *found == of && item.key.starts_with(&prefix)
                    };
                    items.into_iter().filter(ours).map(|(_, item)| item).collect()
                };
                archive.items().map_ok(wanted).boxed()
            }
        }
    }
}

/// All items of these collections that travel, in the order in which archives keep
/// them: one collection of the engine after the other, each by key.
pub(crate) fn all_of(
    side: &StoreReference,
    names: &[CollectionName],
) -> BoxStream<'static, Result<Vec<(SystemCollection, SystemItem)>>> {
    let mut names = names.to_vec();
    names.sort_by_key(key_prefix);
    let parts = travelling().flat_map(|of| names.iter().map(move |name| (of, name.clone())));
    let parts: Vec<(SystemCollection, CollectionName)> = parts.collect();
    let side = side.clone();
    futures::stream::iter(parts)
        .flat_map(move |(of, name)| {
            let items = pages(side.clone(), of, key_prefix(&name));
            items.map_ok(move |page| page.into_iter().map(|item| (of, item)).collect())
        })
        .boxed()
}

/// A store of a layout from before there were items, or of a strategy without them, has
/// none.
fn pages(
    side: StoreReference,
    of: SystemCollection,
    prefix: String,
) -> BoxStream<'static, Result<Vec<SystemItem>>> {
    let next = move |after: Option<Option<String>>| {
        let (side, prefix) = (side.clone(), prefix.clone());
        async move {
            let Some(after) = after else { return Ok(None) };
            let found = match side.system_items(of, &prefix, after.as_deref(), AT_ONCE).await {
                Err(error) if has_none(&error) => Vec::new(),
                found => found?,
            };
            let last = found.last().filter(|_| found.len() == AT_ONCE.get());
            let next = last.map(|last| Some(last.key.clone()));
            Ok::<_, Error>(Some((found, next)))
        }
    };
    futures::stream::try_unfold(Some(None), next).boxed()
}

fn has_none(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound)
}

/// The items of one collection of the engine on two sides, brought together by key.
pub(crate) struct ItemPairs {
    source: BoxStream<'static, Result<SystemItem>>,
    target: BoxStream<'static, Result<SystemItem>>,
    next: (Option<SystemItem>, Option<SystemItem>),
    begun: bool,
}

impl ItemPairs {
    pub(crate) fn of(
        source: &HistoryOrigin,
        target: &HistoryOrigin,
        of: SystemCollection,
        name: &CollectionName,
    ) -> Self {
        let each = |origin: &HistoryOrigin| {
            let items = origin.items(of, name);
            items.map_ok(|page| futures::stream::iter(page).map(Ok)).try_flatten().boxed()
        };
        Self { source: each(source), target: each(target), next: (None, None), begun: false }
    }

    /// The next item as the source and the target have it; `None` at the end.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<Option<(Option<SystemItem>, Option<SystemItem>)>> {
        if !self.begun {
            self.begun = true;
            self.next = (self.source.try_next().await?, self.target.try_next().await?);
        }
        let order = match &self.next {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(ours), Some(theirs)) => ours.key.cmp(&theirs.key),
        };
        let mut pair = (None, None);
        if order.is_le() {
            let next = self.source.try_next().await?;
            pair.0 = std::mem::replace(&mut self.next.0, next);
        }
        if order.is_ge() {
            let next = self.target.try_next().await?;
            pair.1 = std::mem::replace(&mut self.next.1, next);
        }
        Ok(Some(pair))
    }
}
