//! How far the other store is behind, and how long that will last.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use repo_core::{Clock as _, Result, SystemClock, Timestamp};
use serde::Serialize;

use super::kept::{self, Copying, Kept};
use super::pair::{Pair, Side};

/// Most changes that are counted.
const MOST_COUNTED: u64 = 100_000;
/// So many are on their way at any time; no more is said of them.
const FEW: u64 = 1_000;
/// What is behind is counted twice, so long apart.
const APART: Duration = Duration::from_secs(1);

/// What the other store lacks of the changes of the authority.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Lag {
    /// How many changes; none more than 100,000 are counted.
    pub behind: u64,
    /// When the first of them was written, in seconds before now.
    pub behind_seconds: Option<f64>,
    /// How many fewer there are after a second; negative when more are written than are carried
    /// over. Only for more than 1,000.
    pub caught_up_per_second: Option<f64>,
    /// In how many seconds none will be left, at this rate; `None` when it will not.
    pub caught_up_in_seconds: Option<f64>,
}

/// How far the copy of the source is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CopyProgress {
    /// Records that the latest run has copied.
    pub records: u64,
    /// Those that there were when it began.
    pub total: u64,
    /// How many it copies a second.
    pub per_second: f64,
    /// In how many seconds it is done, at this rate.
    pub left_seconds: Option<f64>,
}

impl CopyProgress {
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn of(copying: &Copying) -> Self {
        let took = seconds_between(copying.began_at, copying.noted_at).max(0.001);
        let (records, total) = (copying.records, copying.total);
        let per_second = records as f64 / took;
        let left = total.saturating_sub(records) as f64;
        let left_seconds = (per_second > 0.0).then(|| left / per_second);
        Self { records, total, per_second, left_seconds }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.as_micros().saturating_sub(from.as_micros()) as f64 / 1_000_000.0
}

/// What the peer of the leader lacks.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) async fn lag(pair: &Pair, leader: &Side) -> Result<Lag> {
    let counted_at = Instant::now();
    let (before, since) = behind(pair, leader).await?;
    let behind_seconds = since.map(|at| seconds_between(at, SystemClock.now()).max(0.0));
    let mut lag = Lag {
        behind: before,
        behind_seconds,
        caught_up_per_second: None,
        caught_up_in_seconds: None,
    };
    if (FEW..MOST_COUNTED).contains(&before) {
        tokio::time::sleep(APART).await;
        let took = counted_at.elapsed().as_secs_f64();
        lag.behind = behind(pair, leader).await?.0;
        let rate = (before as f64 - lag.behind as f64) / took;
        lag.caught_up_per_second = Some(rate);
        lag.caught_up_in_seconds = (rate > 0.0).then(|| lag.behind as f64 / rate);
    }
    Ok(lag)
}

/// How long ago the first change was written that the peer of the leader lacks, in seconds.
pub(super) async fn behind_seconds(pair: &Pair, leader: &Side) -> Result<f64> {
    let Kept { position, .. } = kept::read(leader.store.as_ref(), pair.live).await?;
    let found = leader.store.changes(position.as_ref(), NonZeroUsize::MIN).await?;
    let first = found.changes.first().and_then(|change| change.record.as_ref());
    let since = first.map(repo_core::strategy::Record::updated_at);
    Ok(since.map_or(0.0, |at| seconds_between(at, SystemClock.now()).max(0.0)))
}

/// How many changes are behind the position that is kept, and when the first was written.
async fn behind(pair: &Pair, leader: &Side) -> Result<(u64, Option<Timestamp>)> {
    let Kept { position, .. } = kept::read(leader.store.as_ref(), pair.live).await?;
    let Some(mut position) = position else { return Ok((0, None)) };
    let (mut behind, mut since) = (0, None);
    let at_once = NonZeroUsize::new(2_000).unwrap_or(NonZeroUsize::MIN);
    let head = leader.store.head().await?;
    while behind < MOST_COUNTED && !position.reaches(&head) {
        let found = leader.store.changes(Some(&position), at_once).await?;
        if found.changes.is_empty() {
            break;
        }
        let first = found.changes.iter().find_map(|change| change.record.as_ref());
        since = since.or(first.map(repo_core::strategy::Record::updated_at));
        behind += found.changes.len() as u64;
        position = found.next;
    }
    Ok((behind, since))
}
