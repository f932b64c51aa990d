//! Reading the feed: its changes, its head, and what is removed from it.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use futures::future::try_join_all;
use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState, never_prepared};
use repo_core::{Error, ErrorKind, Result};

use super::SHARDS;
use super::item::{HEAD, Shard, block_place};
use super::merge::{Following, merge};
use super::shard::{MOST_MOVED, READ};
use crate::retry::contention;
use crate::shared::Shared;

const TRIM: &str = "remove old changes";

/// Fewest items of a page, so that a reader of single changes moves several at once.
const FEWEST: usize = 16;

/// How often a shard is looked at again before the store's record is.
const LOOKS: usize = 5;

/// What follows a place in a shard, and the end of the shard where it was seen.
type Found = (Following, Option<u64>);

impl Shared {
    /// At most `most` changes after a position, and where to read on.
    pub(crate) async fn changes(
        &self,
        after: Option<&FeedPosition>,
        most: NonZeroUsize,
    ) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
        self.check_writable(READ)?;
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            let mut state = self.feed_state(READ).await?;
            let from = state.start(after)?;
            let generation = state.capture.generation;
            let shards = from.iter().enumerate().map(|(number, from)| {
                self.following(Shard { generation, number }, *from, most.get())
            });
            let found: Option<Vec<Found>> = try_join_all(shards).await?.into_iter().collect();
            if let Some(found) = found {
                let (following, heads): (Vec<_>, Vec<_>) = found.into_iter().unzip();
                // Where the end was not seen, something follows the position.
                state.head = heads.into_iter().map(|head| head.unwrap_or(u64::MAX)).collect();
                let from = state.start(after)?;
                return Ok(merge(&state, from, following, most.get()));
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(self.feed_is_busy(READ)),
            }
        }
    }

    /// The end of the feed, after everything that was captured is moved.
    pub(crate) async fn feed_head(&self) -> Result<FeedPosition> {
        self.check_writable(READ)?;
        let mut state = self.feed_state(READ).await?;
        state.head()?;
        state.head = self.move_all_shards(state.capture.generation).await?;
        state.head()
    }

    /// Gives each captured write its place, if writes are captured.
    pub(crate) async fn put_feed_in_order(&self, operation: &'static str) -> Result<()> {
        let found = self.read_definition(operation).await?;
        if let Some(generation) = found.and_then(|found| found.definition.captures()) {
            self.move_all_shards(generation).await?;
        }
        Ok(())
    }

    async fn move_all_shards(&self, generation: u64) -> Result<Vec<u64>> {
        let shards = (0..SHARDS).map(|number| self.move_all(Shard { generation, number }));
        try_join_all(shards).await
    }

    /// Removes the changes up to a position.
    pub(crate) async fn trim_changes(&self, through: &FeedPosition) -> Result<()> {
        self.check_writable(TRIM)?;
        let mut state = self.feed_state(TRIM).await?;
        state.trim(through)?;
        let generation = state.capture.generation;
        let heads = (0..SHARDS).map(|number| self.feed_head_of(TRIM, Shard { generation, number }));
        state.head = try_join_all(heads).await?;
        let trimmed = state.trim(through)?;
        self.change_definition(TRIM, |definition| {
            let current = definition.captures() == Some(generation);
            if let Some(feed) = definition.feed.as_mut().filter(|_| current) {
                for (stored, new) in feed.trimmed.iter_mut().zip(&trimmed) {
                    *stored = (*stored).max(*new);
                }
            }
            Ok(())
        })
        .await?;
        self.remove_trimmed(generation, &trimmed).await
    }

    /// What the store's record says of the feed, as if each shard had no end.
    async fn feed_state(&self, operation: &'static str) -> Result<FeedState> {
        let Some(found) = self.read_definition(operation).await? else {
            return Err(never_prepared(operation, &self.location));
        };
        let definition = found.definition;
        self.check_feed_layout(operation, &definition)?;
        let Some(store) = definition.id else {
            return Err(never_prepared(operation, &self.location));
        };
        let capture = definition.capture;
        let feed = definition.feed.unwrap_or_default();
        if capture.is_on() && feed.settled != capture.generation {
            let why = "the capture of changes is being switched on";
            return Err(Error::new(ErrorKind::Unavailable, operation, why)
                .with("store", &self.location)
                .hint("wait until the one who holds it has its answer, or hold it as well"));
        }
        let trimmed = if feed.trimmed.is_empty() { vec![0; SHARDS] } else { feed.trimmed };
        Ok(FeedState { store, capture, trimmed, head: vec![u64::MAX; SHARDS] })
    }

    /// What follows a place in a shard, after what was captured is moved. `None` when
    /// others kept changing it, or removed what follows.
    async fn following(&self, shard: Shard, from: u64, most: usize) -> Result<Option<Found>> {
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        for _ in 0..LOOKS {
            if let Some(found) = self.look(shard, from, most).await? {
                return Ok(Some(found));
            }
            if let Some(delay) = delays.next() {
                tokio::time::sleep(delay).await;
            }
        }
        Ok(None)
    }

    async fn look(&self, shard: Shard, from: u64, most: usize) -> Result<Option<Found>> {
        // The head is one item more.
        let limit = most.clamp(FEWEST, MOST_MOVED) + 1;
        let first = block_place(from.saturating_add(1));
        let mut page = self.feed_page(shard, &first, limit).await?;
        let (mut at, mut changes) = (from, VecDeque::new());
        for block in std::mem::take(&mut page.blocks) {
            if block.first() > at.saturating_add(1) {
                // What was there is removed.
                return Ok(None);
            }
            let known = at.saturating_add(1).saturating_sub(block.first());
            let known = usize::try_from(known).unwrap_or(usize::MAX);
            changes.extend(block.changes.into_iter().skip(known));
            at = block.last;
        }
        let Some(head) = page.head else {
            return Ok(Some((Following { changes, whole: false }, None)));
        };
        if from > head {
            // The caller finds that such a position was never given.
            return Ok(Some((Following { changes, whole: true }, Some(head))));
        }
        if at != head {
            // The page is not of one moment: somebody moves.
            return Ok(None);
        }
        if page.is_moved() || changes.len() >= most {
            let whole = page.whole && page.is_moved();
            return Ok(Some((Following { changes, whole }, Some(head))));
        }
        let Some(moved) = self.move_inbox(shard, head, page).await? else { return Ok(None) };
        let head = head.saturating_add(moved.changes.len() as u64);
        changes.extend(moved.changes);
        Ok(Some((Following { changes, whole: moved.whole }, Some(head))))
    }

    /// Moves everything that was captured before the call; the head of the shard
    /// after that.
    async fn move_all(&self, shard: Shard) -> Result<u64> {
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            let page = self.feed_page(shard, HEAD, MOST_MOVED + 1).await?;
            let head = page.head.unwrap_or(0);
            if page.is_moved() {
                return Ok(head);
            }
            if let Some(moved) = self.move_inbox(shard, head, page).await? {
                if moved.whole {
                    return Ok(head.saturating_add(moved.changes.len() as u64));
                }
                delays = backon::BackoffBuilder::build(contention(self.patience));
                continue;
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(self.feed_is_busy(READ)),
            }
        }
    }

    fn feed_is_busy(&self, operation: &'static str) -> Error {
        let scene = self.repeatable(operation, &self.feed_table);
        scene.later("other readers and writers keep changing the feed").error
    }
}
