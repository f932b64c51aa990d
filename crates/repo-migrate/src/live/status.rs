//! Where a live migration stands.

use repo_core::strategy::{LiveId, OpenTransaction, StoreRole};
use repo_core::{Result, Timestamp};
use serde::Serialize;

use super::difference::LiveDifference;
use super::kept;
use super::lag::{CopyProgress, Lag, lag};
use super::pair::{LiveStores, Pair, Side};

/// What a live migration does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LivePhase {
    /// The source is being copied.
    Copying,
    /// Everything is copied, and changes are carried over; both stores were not compared yet.
    Following,
    /// The target is equal, and is kept so: a switch can be made.
    Ready,
    /// The authority takes no writes: it is about to hand over.
    Fenced,
    /// It is decided who is the next authority, and that one is still to be promoted.
    Decided,
    /// The target is the authority.
    Switched,
}

/// One store of a live migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SideStatus {
    /// Where it is.
    pub store: String,
    /// Its role.
    pub role: StoreRole,
    /// Its epoch.
    pub epoch: u64,
}

/// Where a live migration stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LiveStatus {
    /// Which one.
    pub live: LiveId,
    /// What it does.
    pub phase: LivePhase,
    /// The store that programs are configured with.
    pub source: SideStatus,
    /// The store that it moves to.
    pub target: SideStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// How far the copy is, while one is made.
    pub copy: Option<CopyProgress>,
    /// What the other store lacks of the changes of the authority.
    #[serde(flatten)]
    pub lag: Lag,
    /// When both stores were last compared.
    pub verified_at: Option<Timestamp>,
    /// How many records differed then.
    pub differences: Option<u64>,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named_differences: Vec<LiveDifference>,
    /// The oldest transaction that uses the authority, where the store can say so: a switch
    /// waits for it.
    pub oldest_transaction: Option<OpenTransaction>,
    /// How many writes reached a store after it had given the authority up, and were
    /// outranked by the record of the authority.
    pub late_writes: u64,
}

/// Where the live migration of two stores stands. Changes nothing.
///
/// # Errors
/// `NotFound` for stores that take part in none.
pub async fn status(stores: LiveStores<'_>) -> Result<LiveStatus> {
    let pair = Pair::open(stores).await?;
    let status = status_of(&pair).await;
    pair.close().await?;
    status
}

async fn status_of(pair: &Pair) -> Result<LiveStatus> {
    let (direction, role) = pair.direction().await?;
    let kept = kept::read(direction.leader.store.as_ref(), pair.live).await?;
    let from_target = direction.leader.id == pair.target.id;
    let phase = match role.role {
        StoreRole::Fenced => LivePhase::Fenced,
        StoreRole::Retired => LivePhase::Decided,
        _ if from_target => LivePhase::Switched,
        _ if !kept.copied => LivePhase::Copying,
        _ if kept.verified.as_ref().is_some_and(|verified| verified.differences == 0) => {
            LivePhase::Ready
        }
        _ => LivePhase::Following,
    };
    Ok(LiveStatus {
        live: pair.live,
        phase,
        source: side(&pair.source).await?,
        target: side(&pair.target).await?,
        started_at: kept.started_at,
        copy: kept.copying.as_ref().filter(|_| phase == LivePhase::Copying).map(CopyProgress::of),
        lag: lag(pair, direction.leader).await?,
        verified_at: kept.verified.as_ref().map(|verified| verified.at),
        differences: kept.verified.as_ref().map(|verified| verified.differences),
        named_differences: kept.verified.map(|verified| verified.named).unwrap_or_default(),
        oldest_transaction: direction.leader.store.oldest_transaction().await?,
        late_writes: kept::read(pair.source.store.as_ref(), pair.live).await?.late_writes
            + kept::read(pair.target.store.as_ref(), pair.live).await?.late_writes,
    })
}

async fn side(side: &Side) -> Result<SideStatus> {
    let role = side.role().await?;
    Ok(SideStatus { store: side.store.location().to_owned(), role: role.role, epoch: role.epoch })
}
