//! What each store keeps of the live migration.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use repo_core::strategy::{
    FeedPosition, LiveId, StorageStrategy, StoreId, SystemCollection, SystemWrite,
};
use repo_core::{CollectionName, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::difference::LiveDifference;
use super::pair::Side;

const KEEP: &str = "keep the state of the live migration";
/// How often a change is made again because another process was faster.
const MOST_TRIES: usize = 16;
/// Differences that are kept with their names.
const MOST_NAMED: usize = 10;
/// Items that are read and removed together.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(SystemWrite::MAX_AT_ONCE).unwrap();

/// What one store keeps: of its peer, and of its own changes on their way there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) peer: String,
    pub(super) peer_id: StoreId,
    /// Whether this is the source.
    pub(super) is_source: bool,
    pub(super) started_at: Timestamp,
    /// Up to where the peer has the changes of this store; `None` before capture is on.
    pub(super) position: Option<FeedPosition>,
    /// Of the target: the attempt of the source when it was claimed. Giving the live migration up
    /// raises that.
    #[serde(default)]
    pub(super) source_attempt: Option<u64>,
    /// Where its feed began when the store was empty: everything that it ever got comes after
    /// that. `None` for the source, and before capture is on.
    #[serde(default)]
    pub(super) base: Option<FeedPosition>,
    /// Whether everything that was there before the position was copied.
    pub(super) copied: bool,
    /// How far the run that copies is; `None` before one began.
    #[serde(default)]
    pub(super) copying: Option<Copying>,
    /// The last comparison of both stores that was finished.
    pub(super) verified: Option<Verified>,
    /// How many writes came after this store had given the authority up, and were outranked.
    #[serde(default)]
    pub(super) late_writes: u64,
}

impl Kept {
    /// Moves the position on; false, and nothing changed, when it is there already.
    pub(super) fn advance(&mut self, to: &FeedPosition) -> bool {
        let is_behind = self.position.as_ref().is_none_or(|before| !before.reaches(to));
        if is_behind {
            self.position = Some(to.clone());
        }
        is_behind
    }
}

/// The copy of what the source held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copying {
    pub(super) began_at: Timestamp,
    pub(super) noted_at: Timestamp,
    /// Records that this run has copied.
    pub(super) records: u64,
    /// Those that there were when it began.
    pub(super) total: u64,
}

/// A comparison of both stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verified {
    /// The head of the feed before it began.
    pub(super) position: FeedPosition,
    pub(super) at: Timestamp,
    pub(super) records: u64,
    pub(super) differences: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) named: Vec<LiveDifference>,
}

impl Verified {
    pub(super) fn new(
        position: FeedPosition,
        at: Timestamp,
        records: u64,
        differences: u64,
        named: &[LiveDifference],
    ) -> Self {
        let mut verified = Self { position, at, records, differences, named: Vec::new() };
        verified.name(named);
        verified
    }

    /// Keeps the names of some more differences.
    pub(super) fn name(&mut self, found: &[LiveDifference]) {
        let room = MOST_NAMED.saturating_sub(self.named.len());
        self.named.extend(found.iter().take(room).cloned());
    }
}

fn key(live: LiveId) -> String {
    live.to_string()
}

fn copied_key(live: LiveId, collection: &CollectionName) -> String {
    format!("{live}/copied/{collection}")
}

/// Reads it.
///
/// # Errors
/// `NotFound` where there is none; `Corrupt` for what is none of ours.
pub(super) async fn read(store: &dyn StorageStrategy, live: LiveId) -> Result<Kept> {
    parse(&text(store, live).await?, store.location())
}

async fn text(store: &dyn StorageStrategy, live: LiveId) -> Result<String> {
    let found = store.system_item(SystemCollection::Live, &key(live)).await?;
    found.ok_or_else(|| {
        let why = "the store keeps nothing of the live migration";
        Error::new(ErrorKind::NotFound, KEEP, why)
            .with("store", store.location())
            .with("live_migration", live)
            .hint("begin it again")
    })
}

fn parse(text: &str, location: &str) -> Result<Kept> {
    serde_json::from_str(text).map_err(|source| {
        let why = "what the store keeps of the live migration is damaged";
        Error::new(ErrorKind::Corrupt, KEEP, why).with("store", location).caused_by(source)
    })
}

fn to_text(kept: &Kept) -> Result<String> {
    serde_json::to_string(kept).map_err(|source| {
        let why = "the state cannot be written as JSON";
        Error::new(ErrorKind::Invalid, KEEP, why).caused_by(source)
    })
}

/// Makes it, unless it is there.
pub(super) async fn make(store: &dyn StorageStrategy, live: LiveId, kept: &Kept) -> Result<()> {
    if store.system_item(SystemCollection::Live, &key(live)).await?.is_some() {
        return Ok(());
    }
    let write = SystemWrite::new(SystemCollection::Live, key(live), None, Some(to_text(kept)?));
    match store.write_system_items(vec![write]).await {
        // Another process made it.
        Err(error) if error.kind() == ErrorKind::Locked => Ok(()),
        made => made,
    }
}

/// Changes it by compare-and-set.
pub(super) async fn change(
    side: &Side,
    live: LiveId,
    mut change: impl FnMut(&mut Kept),
) -> Result<()> {
    let store = side.store.as_ref();
    for _ in 0..MOST_TRIES {
        let before = text(store, live).await?;
        let mut kept = parse(&before, store.location())?;
        change(&mut kept);
        let after = to_text(&kept)?;
        if after == before {
            return Ok(());
        }
        let write = SystemWrite::new(SystemCollection::Live, key(live), Some(before), Some(after));
        match store.write_system_items(vec![write]).await {
            Err(error) if error.kind() == ErrorKind::Locked => {}
            changed => return changed,
        }
    }
    let why = "other processes keep changing the state of the live migration";
    Err(Error::new(ErrorKind::Unavailable, KEEP, why).with("store", store.location()))
}

/// Moves the position of a store on; it never falls.
pub(super) async fn advance(side: &Side, live: LiveId, to: &FeedPosition) -> Result<()> {
    change(side, live, |kept| {
        kept.advance(to);
    })
    .await
}

/// Whether a collection was copied.
pub(super) async fn is_copied(side: &Side, live: LiveId, name: &CollectionName) -> Result<bool> {
    let found = side.store.system_item(SystemCollection::Live, &copied_key(live, name)).await?;
    Ok(found.is_some())
}

/// Notes that a collection was copied.
pub(super) async fn set_copied(side: &Side, live: LiveId, name: &CollectionName) -> Result<()> {
    let key = copied_key(live, name);
    let write = SystemWrite::new(SystemCollection::Live, key, None, Some("true".to_owned()));
    match side.store.write_system_items(vec![write]).await {
        // Another process did.
        Err(error) if error.kind() == ErrorKind::Locked => Ok(()),
        noted => noted,
    }
}

/// The live migrations that a store keeps something of.
pub(super) async fn all(store: &dyn StorageStrategy) -> Result<BTreeSet<LiveId>> {
    let mut lives = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let items =
            store.system_items(SystemCollection::Live, "", after.as_deref(), AT_ONCE).await?;
        let Some(last) = items.last() else { return Ok(lives) };
        after = Some(last.key.clone());
        for item in items {
            let live = item.key.split('/').next().unwrap_or_default();
            lives.insert(live.parse::<LiveId>()?);
        }
    }
}

/// Removes everything that a store keeps of a live migration.
pub(super) async fn remove(store: &dyn StorageStrategy, live: LiveId) -> Result<()> {
    loop {
        let items = store.system_items(SystemCollection::Live, &key(live), None, AT_ONCE).await?;
        if items.is_empty() {
            return Ok(());
        }
        let remove = |item: repo_core::strategy::SystemItem| {
            SystemWrite::new(SystemCollection::Live, item.key, Some(item.value), None)
        };
        match store.write_system_items(items.into_iter().map(remove).collect()).await {
            // A run that has not noticed the end yet moved on.
            Err(error) if error.kind() == ErrorKind::Locked => {}
            removed => removed?,
        }
    }
}
