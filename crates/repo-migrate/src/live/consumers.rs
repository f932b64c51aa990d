//! Consumers of the change feed go on in the store that takes over.

use std::time::{Duration, Instant};

use repo_core::strategy::FeedPosition;
use repo_core::{Error, ErrorKind, Result};
use repo_feed::{ConsumerName, Consumers};

use super::kept;
use super::pair::{Direction, Pair};
use super::positions::{self, Positions};

/// How long a switch waits for consumers that are behind: no longer than for readers.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// How often what another operator changed meanwhile is written again.
const MOST_TRIES: usize = 4;
/// How often it is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Gives the follower the consumers of the leader.
///
/// # Errors
/// `Locked` for a consumer of which is not known what it has seen of the follower's feed.
pub(super) async fn carry(pair: &Pair, direction: Direction<'_>) -> Result<()> {
    let places = Places::read(pair, direction).await?;
    let [leader, follower] =
        [direction.leader, direction.follower].map(|side| Consumers::new(side.store.clone()));
    let mut tries = 0;
    loop {
        let place =
            |name: &ConsumerName, position: Option<&FeedPosition>| places.of(name, position);
        match leader.relocate(&follower, place).await {
            Err(error) if is_taken(&error, &mut tries) => {}
            carried => return carried.map(drop),
        }
    }
}

/// Whether another operator may have written the same at this moment, so that it is worth another
/// try.
pub(super) fn is_taken(error: &Error, tries: &mut usize) -> bool {
    *tries += 1;
    error.kind() == ErrorKind::Locked && *tries < MOST_TRIES
}

/// Whether every consumer could be carried over.
///
/// # Errors
/// As [`carry`].
pub(super) async fn check(pair: &Pair, direction: Direction<'_>) -> Result<()> {
    let places = Places::read(pair, direction).await?;
    let to = direction.follower.id;
    for consumer in Consumers::new(direction.leader.store.clone()).list().await? {
        if consumer.home != Some(to) {
            places.of(&consumer.name, consumer.position.as_ref())?;
        }
    }
    Ok(())
}

/// Waits a moment for the consumers that are running to see everything up to the end of the
/// feed, behind the fence: then none of them sees anything twice.
pub(super) async fn wait(direction: Direction<'_>, head: &FeedPosition) -> Result<()> {
    let consumers = Consumers::new(direction.leader.store.clone());
    let begun = Instant::now();
    while !consumers.running_have_reached(head).await? && begun.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Where positions of the leader lie in the feed of the follower.
struct Places {
    pairs: Positions,
    /// Where the feed of the follower holds everything that the follower ever got.
    base: Option<FeedPosition>,
    leader: String,
}

impl Places {
    async fn read(pair: &Pair, direction: Direction<'_>) -> Result<Self> {
        let Direction { leader, follower } = direction;
        Ok(Self {
            pairs: positions::read(leader, pair.live).await?,
            base: kept::read(follower.store.as_ref(), pair.live).await?.base,
            leader: leader.store.location().to_owned(),
        })
    }

    fn of(
        &self,
        name: &ConsumerName,
        position: Option<&FeedPosition>,
    ) -> Result<Option<FeedPosition>> {
        let place = position.and_then(|position| self.pairs.place(position));
        place.or(self.base.as_ref()).cloned().map(Some).ok_or_else(|| {
            let why = "a consumer has not seen yet what was written before the store moved here";
            Error::new(ErrorKind::Locked, "switch to the other store", why)
                .with("consumer", name)
                .with("store", &self.leader)
                .hint("let the consumer come to the end of the feed first, or unsubscribe it")
        })
    }
}
