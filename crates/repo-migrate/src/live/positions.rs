//! Where a position in the feed of one store lies in the feed of the other.
//!
//! The feeds of two stores have nothing in common. But when the end of the other store's feed is
//! read *before* that of the authority, then whatever is written to the authority after the
//! second came to the other store after the first. So such a pair says: what is ahead of
//! a consumer here is ahead of it there. Between two pairs the earlier one counts, and a consumer
//! sees some changes again.

use repo_core::strategy::{FeedPosition, LiveId, SystemCollection, SystemWrite};
use repo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::kept;
use super::pair::{Direction, Pair, Side};

/// How often what another process noted is taken into account.
const MOST_TRIES: usize = 16;
/// Most pairs that are kept; every second of the older ones goes when there are more.
const MOST: usize = 64;
const NOTE: &str = "note where consumers are to go on";

/// Pairs of positions, in the order in which they were noted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Positions {
    pairs: Vec<(FeedPosition, FeedPosition)>,
}

impl Positions {
    fn add(&mut self, here: FeedPosition, there: FeedPosition) {
        // Of another process, which has read both ends before.
        if self.pairs.last().is_some_and(|(a, b)| a.reaches(&here) && b.reaches(&there)) {
            return;
        }
        if self.pairs.last().is_some_and(|(last, _)| *last == here) {
            // The same place here, and less to be seen again there.
            self.pairs.pop();
        }
        self.pairs.push((here, there));
        if self.pairs.len() > MOST {
            let mut at = 0;
            self.pairs.retain(|_| {
                at += 1;
                at > MOST / 2 || at % 2 == 1
            });
        }
    }

    /// Where everything is still ahead that is ahead of a position here.
    pub(super) fn place(&self, position: &FeedPosition) -> Option<&FeedPosition> {
        let mut latest_first = self.pairs.iter().rev();
        latest_first.find(|(here, _)| position.reaches(here)).map(|(_, there)| there)
    }
}

fn key(live: LiveId) -> String {
    format!("{live}/positions")
}

/// Notes where both feeds end now; the position of the leader. Notes nothing when the leader leads
/// no more in this epoch: the follower may then end with what has yet to come to the leader.
pub(super) async fn note(
    pair: &Pair,
    direction: Direction<'_>,
    epoch: u64,
) -> Result<FeedPosition> {
    // In this order: see above.
    let there = direction.follower.store.head().await?;
    let here = direction.leader.store.head().await?;
    if !direction.leads_still(epoch).await? {
        return Ok(here);
    }
    for _ in 0..MOST_TRIES {
        let before = text(direction.leader, pair.live).await?;
        let mut positions = parse(before.as_deref(), direction.leader)?;
        positions.add(here.clone(), there.clone());
        let after = serde_json::to_string(&positions).map_err(|source| {
            Error::new(ErrorKind::Invalid, NOTE, "the positions cannot be written as JSON")
                .caused_by(source)
        })?;
        if before.as_ref() == Some(&after) {
            break;
        }
        let write = SystemWrite::new(SystemCollection::Live, key(pair.live), before, Some(after));
        match direction.leader.store.write_system_items(vec![write]).await {
            // Another process noted some.
            Err(error) if error.kind() == ErrorKind::Locked => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    match kept::read(direction.leader.store.as_ref(), pair.live).await {
        // The live migration ended meanwhile, and leaves nothing behind.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            kept::remove(direction.leader.store.as_ref(), pair.live).await?;
            Err(error)
        }
        found => found.map(|_| here),
    }
}

/// Those that were noted while this store led.
pub(super) async fn read(side: &Side, live: LiveId) -> Result<Positions> {
    parse(text(side, live).await?.as_deref(), side)
}

async fn text(side: &Side, live: LiveId) -> Result<Option<String>> {
    side.store.system_item(SystemCollection::Live, &key(live)).await
}

fn parse(text: Option<&str>, side: &Side) -> Result<Positions> {
    let Some(text) = text else { return Ok(Positions::default()) };
    serde_json::from_str(text).map_err(|source| {
        let why = "what the store keeps of the live migration is damaged";
        Error::new(ErrorKind::Corrupt, NOTE, why)
            .with("store", side.store.location())
            .caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::StoreId;

    use super::*;

    fn at(store: u8, place: u64) -> FeedPosition {
        FeedPosition::new(StoreId::from_bytes([store; 16]), 1, vec![place])
    }

    #[test]
    fn the_latest_pair_that_is_reached_counts() {
        let mut positions = Positions::default();
        for (here, there) in [(10, 1), (20, 2), (20, 3), (30, 4)] {
            positions.add(at(1, here), at(2, there));
        }
        for (here, there) in [(9, None), (10, Some(1)), (19, Some(1)), (20, Some(3)), (99, Some(4))]
        {
            assert_eq!(positions.place(&at(1, here)), there.map(|there| at(2, there)).as_ref());
        }
        assert_eq!(positions.place(&at(3, 99)), None);
    }

    #[test]
    fn many_pairs_are_thinned_out_and_the_first_and_last_stay() {
        let mut positions = Positions::default();
        for n in 0..10_000 {
            positions.add(at(1, n), at(2, n));
            assert!(positions.pairs.len() <= MOST);
        }
        assert_eq!(positions.place(&at(1, 0)), Some(&at(2, 0)));
        for recent in 9_990..10_000 {
            assert_eq!(positions.place(&at(1, recent)), Some(&at(2, recent)));
        }
    }
}
