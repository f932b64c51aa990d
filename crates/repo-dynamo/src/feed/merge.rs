//! From shards to one order.

use std::collections::VecDeque;

use repo_core::strategy::{CapturedWrite, FeedPosition, FeedState};

use super::item::Captured;

/// What follows a place in one shard.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) changes: VecDeque<Captured>,
    /// Whether these are all.
    pub(super) whole: bool,
}

/// At most `most` changes after `at`, and where to read on.
///
/// The shards take turns, and whose turn it is follows from the places alone. So the
/// order does not depend on where a reader began, or on the size of its pages.
pub(super) fn merge(
    state: &FeedState,
    mut at: Vec<u64>,
    mut shards: Vec<Following>,
    most: usize,
) -> (Vec<CapturedWrite>, FeedPosition) {
    let mut writes = Vec::new();
    while writes.len() < most {
        let Some((number, change)) = next(&at, &mut shards) else { break };
        if let Some(place) = at.get_mut(number) {
            *place = place.saturating_add(1);
        }
        writes.push(CapturedWrite {
            position: state.position(at.clone()),
            key: change.key,
            version: change.mark.version,
            deleted: change.mark.deleted,
        });
    }
    (writes, state.position(at))
}

/// The change whose turn it is; `None` at the end, or where it is not at hand.
fn next(at: &[u64], shards: &mut [Following]) -> Option<(usize, Captured)> {
    let sum = at.iter().fold(0_u64, |sum, place| sum.wrapping_add(*place));
    let first = usize::try_from(sum % (shards.len().max(1) as u64)).unwrap_or(0);
    let turns = (first..shards.len()).chain(0..first);
    for number in turns {
        let shard = shards.get_mut(number)?;
        if let Some(change) = shard.changes.pop_front() {
            return Some((number, change));
        }
        if !shard.whole {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::{Capture, CaptureHolder, StoreId};
    use repo_core::{CollectionName, EntityId, Key, Version};

    use super::super::item::Mark;
    use super::*;

    fn state() -> FeedState {
        let mut capture = Capture::default();
        capture.hold(CaptureHolder::new("consumer", "a").unwrap());
        let store = StoreId::from_bytes([7; 16]);
        FeedState { store, capture, trimmed: vec![0; 3], head: vec![9; 3] }
    }

    /// Shards whose changes have the ids `SHARD.PLACE`, the first `whole` of them all
    /// of which is at hand.
    fn shards(from: &[u64], ends: [u64; 3]) -> Vec<Following> {
        let change = |shard: usize, place: u64| {
            let id = EntityId::new(&format!("{shard}.{place}")).unwrap();
            let key = Key::new(CollectionName::new("items").unwrap(), id);
            let mark = Mark { version: Version::FIRST, deleted: false, before: None };
            Captured { key, mark }
        };
        let following = |(shard, end): (usize, u64)| Following {
            changes: (from[shard] + 1..=end).map(|place| change(shard, place)).collect(),
            whole: true,
        };
        ends.into_iter().enumerate().map(following).collect()
    }

    fn ids(writes: &[CapturedWrite]) -> Vec<String> {
        writes.iter().map(|write| write.key.id.to_string()).collect()
    }

    #[test]
    fn the_order_does_not_depend_on_the_pages() {
        let ends = [4, 0, 7];
        let (all, end) = merge(&state(), vec![0; 3], shards(&[0; 3], ends), 99);
        assert_eq!((all.len(), end.shards()), (11, &ends[..]));
        for page in 1..=5 {
            let (mut at, mut paged) = (vec![0; 3], Vec::new());
            loop {
                let (mut writes, next) = merge(&state(), at.clone(), shards(&at, ends), page);
                if writes.is_empty() {
                    break;
                }
                at = next.shards().to_vec();
                paged.append(&mut writes);
            }
            assert_eq!(paged, all, "pages of {page}");
        }
        assert_eq!(ids(&all)[..4], ["0.1", "2.1", "2.2", "0.2"]);
    }

    #[test]
    fn what_is_not_at_hand_ends_a_page() {
        let mut shards = shards(&[0; 3], [1, 5, 5]);
        shards[0].whole = false;
        let (writes, next) = merge(&state(), vec![0; 3], shards, 99);
        assert_eq!(ids(&writes), ["0.1", "1.1", "2.1"]);
        assert_eq!(next.shards(), [1, 1, 1]);
    }
}
