//! The older versions of one batch of ids on two sides, brought together by id and
//! number.

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, VecDeque};

use repo_core::{EntityId, Result, Version};

use crate::history::reader::BatchVersions;
use crate::past::PastVersion;

/// A version as the source and as the target have it; one of them is there.
pub(crate) type VersionPair = (Option<PastVersion>, Option<PastVersion>);

/// Pairs of versions of the ids of a batch: in their order, and for each from the newest
/// to the oldest.
pub(crate) struct VersionPairs<'r> {
    order: HashMap<EntityId, usize>,
    source: Side<'r>,
    target: Side<'r>,
}

/// One side, read a page at a time.
struct Side<'r> {
    pages: Option<BatchVersions<'r>>,
    ahead: VecDeque<PastVersion>,
    /// What it will have as well, in the same order.
    more: VecDeque<PastVersion>,
}

type Place = (usize, Reverse<Version>);

impl<'r> VersionPairs<'r> {
    /// Of the ids in this order. `more` is what the target will have beside what it
    /// has, in the same order and newer than all that it has of the id.
    pub(crate) fn of<'i>(
        ids: impl Iterator<Item = &'i EntityId>,
        source: Option<BatchVersions<'r>>,
        target: Option<BatchVersions<'r>>,
        more: VecDeque<PastVersion>,
    ) -> Self {
        let order = ids.enumerate().map(|(at, id)| (id.clone(), at)).collect();
        let side = |pages, more| Side { pages, ahead: VecDeque::new(), more };
        Self { order, source: side(source, VecDeque::new()), target: side(target, more) }
    }

    /// The next pair, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<VersionPair>> {
        let order = &self.order;
        let ours = self.source.place(order).await?;
        let theirs = self.target.place(order).await?;
        Ok(match (ours, theirs) {
            (None, None) => None,
            (Some(_), None) => Some((self.source.take(order), None)),
            (None, Some(_)) => Some((None, self.target.take(order))),
            (Some(ours), Some(theirs)) => Some(match ours.cmp(&theirs) {
                Ordering::Less => (self.source.take(order), None),
                Ordering::Greater => (None, self.target.take(order)),
                Ordering::Equal => (self.source.take(order), self.target.take(order)),
            }),
        })
    }
}

fn place_of(order: &HashMap<EntityId, usize>, version: &PastVersion) -> Option<Place> {
    order.get(&version.id).map(|at| (*at, Reverse(version.version)))
}

impl Side<'_> {
    /// Where the next version stands.
    async fn place(&mut self, order: &HashMap<EntityId, usize>) -> Result<Option<Place>> {
        while self.ahead.is_empty() {
            let Some(pages) = &mut self.pages else { break };
            match pages.next().await? {
                // What nobody asked about may be among them.
                Some(page) => {
                    self.ahead.extend(page.into_iter().filter(|it| order.contains_key(&it.id)));
                }
                None => self.pages = None,
            }
        }
        let next = |of: &VecDeque<PastVersion>| place_of(order, of.front()?);
        Ok(match (next(&self.ahead), next(&self.more)) {
            (Some(ahead), Some(more)) => Some(ahead.min(more)),
            (ahead, more) => ahead.or(more),
        })
    }

    fn take(&mut self, order: &HashMap<EntityId, usize>) -> Option<PastVersion> {
        let next = |of: &VecDeque<PastVersion>| place_of(order, of.front()?);
        match (next(&self.ahead), next(&self.more)) {
            // The same version twice is one: who wrote it is known of the first.
            (Some(ahead), Some(more)) if ahead == more => {
                let by = self.ahead.pop_front().and_then(|ahead| ahead.by);
                self.more.pop_front().map(|more| PastVersion { by, ..more })
            }
            (Some(ahead), Some(more)) if more < ahead => self.more.pop_front(),
            (None, Some(_)) => self.more.pop_front(),
            _ => self.ahead.pop_front(),
        }
    }
}
