//! What a feed holds, and which positions it can serve.

use super::position::OPERATION;
use crate::strategy::{Capture, FeedPosition, StoreId};
use crate::{Error, ErrorKind, Result};

/// For strategies: what the feed of a store holds at one moment. Decides alike for
/// every store which position can be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "each strategy fills it")]
pub struct FeedState {
    /// The store.
    pub store: StoreId,
    /// Whether writes are captured.
    pub capture: Capture,
    /// In each shard, up to where changes were removed.
    pub trimmed: Vec<u64>,
    /// In each shard, the place of the last change, or `trimmed` where there is none.
    pub head: Vec<u64>,
}

impl FeedState {
    /// A position of this feed.
    #[must_use]
    pub fn position(&self, shards: Vec<u64>) -> FeedPosition {
        FeedPosition::new(self.store, self.capture.generation, shards)
    }

    /// The end of the feed.
    ///
    /// # Errors
    /// `NotFound` while nothing is captured.
    pub fn head(&self) -> Result<FeedPosition> {
        if !self.capture.is_on() {
            let why = "the changes of this store are not captured";
            return Err(Error::new(ErrorKind::NotFound, OPERATION, why)
                .hint("subscribe a consumer, or hold the capture, before you read"));
        }
        Ok(self.position(self.head.clone()))
    }

    /// Where to begin in each shard for a reader at `after`.
    ///
    /// # Errors
    /// `NotFound` without a position while nothing is captured; `Invalid` for a
    /// position of another store; `FeedExpired` when capture was off since, what
    /// follows was removed, or the store was put back to an older state.
    pub fn start(&self, after: Option<&FeedPosition>) -> Result<Vec<u64>> {
        let Some(position) = after else {
            return self.head().map(|_| self.trimmed.clone());
        };
        self.check_own(position)?;
        let expired = |why| Err(expired(position, why));
        let (own, now) = (position.generation(), self.capture.generation);
        if own < now || (own == now && !self.capture.is_on()) {
            return expired("changes were not captured for a while since the position");
        }
        let shards = position.shards();
        if own > now || shards.iter().zip(&self.head).any(|(own, head)| own > head) {
            return expired(
                "the position is ahead of the feed: the store was put back to an older state",
            );
        }
        if shards.iter().zip(&self.trimmed).any(|(own, trimmed)| own < trimmed) {
            return expired("changes after the position were removed");
        }
        Ok(shards.to_vec())
    }

    /// Up to where each shard is to be removed, for a caller who needs nothing up to
    /// `through` any more.
    ///
    /// # Errors
    /// As [`start`](Self::start), except that what is removed already is no error.
    pub fn trim(&self, through: &FeedPosition) -> Result<Vec<u64>> {
        self.check_own(through)?;
        let later =
            through.shards().iter().zip(&self.trimmed).map(|(own, trimmed)| *own.max(trimmed));
        let later: Vec<u64> = later.collect();
        self.start(Some(&FeedPosition::new(self.store, through.generation(), later)))
    }

    fn check_own(&self, position: &FeedPosition) -> Result<()> {
        if position.store() == self.store && position.shards().len() == self.trimmed.len() {
            return Ok(());
        }
        let why = "the position is one of another store";
        Err(Error::new(ErrorKind::Invalid, OPERATION, why)
            .with("position", position)
            .with("store_id", self.store)
            .hint("use the position with the store that gave it"))
    }
}

fn expired(position: &FeedPosition, why: &str) -> Error {
    Error::new(ErrorKind::FeedExpired, OPERATION, why).with("position", position).hint(
        "take the head of the feed, read all records, and follow from that head: versions show \
         what is new",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::CaptureHolder;

    fn state(on: bool) -> FeedState {
        let mut capture = Capture::default();
        let holder = CaptureHolder::new("consumer", "a").unwrap();
        capture.hold(holder.clone());
        capture.release(&holder);
        if on {
            capture.hold(holder);
        }
        let store = StoreId::from_bytes([7; 16]);
        FeedState { store, capture, trimmed: vec![3, 0], head: vec![9, 1] }
    }

    #[test]
    fn only_positions_between_what_is_removed_and_the_head_can_be_read_from() {
        let state = state(true);
        let kind = |generation, shards: &[u64]| {
            let position = FeedPosition::new(state.store, generation, shards.to_vec());
            state.start(Some(&position)).map_err(|error| error.kind())
        };
        for good in [[3, 0], [9, 1]] {
            assert_eq!(kind(2, &good), Ok(good.to_vec()));
        }
        for (generation, shards) in [(2, [2, 1]), (1, [3, 0]), (3, [3, 0]), (2, [9, 2])] {
            assert_eq!(kind(generation, &shards), Err(ErrorKind::FeedExpired), "{shards:?}");
        }
        assert_eq!(kind(2, &[3]), Err(ErrorKind::Invalid));
        let other = FeedPosition::new(StoreId::from_bytes([8; 16]), 2, vec![3, 0]);
        assert_eq!(state.start(Some(&other)).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(state.start(None).unwrap(), [3, 0]);
        assert_eq!(state.head().unwrap().shards(), [9, 1]);
    }

    #[test]
    fn a_feed_that_is_off_has_no_positions() {
        let state = state(false);
        assert_eq!(state.head().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(state.start(None).unwrap_err().kind(), ErrorKind::NotFound);
        let last = state.position(vec![9, 1]);
        assert_eq!(state.start(Some(&last)).unwrap_err().kind(), ErrorKind::FeedExpired);
    }

    #[test]
    fn what_is_removed_stays_removed() {
        let state = state(true);
        assert_eq!(state.trim(&state.position(vec![1, 1])).unwrap(), [3, 1]);
        assert_eq!(state.trim(&state.position(vec![5, 0])).unwrap(), [5, 0]);
        let beyond = state.trim(&state.position(vec![10, 0])).unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::FeedExpired);
    }
}
