//! A consumer that follows while others write: how many changes it gets, and how late.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use repo_core::strategy::{RecordChange, StorageStrategyExt as _};
use repo_core::{Document, Error, Result, Version};
use repo_feed::{Consumer, ConsumerName, Consumers, FollowOptions, SubscribeOptions};

use super::feed;
use super::kind::Kind;
use crate::bench::Bench;
use crate::data;
use crate::errors;
use crate::measure::{Spread, Timed};
use crate::ours::{self, Store};
use crate::plan::{Book, Update};
use crate::report::{Figures, Line};

const WRITERS: usize = 8;

/// When each version was acknowledged, or delivered.
type Moments = HashMap<(String, u64), Instant>;

pub(super) async fn run(bench: &mut Bench, kind: &Kind) -> Result<()> {
    let (rows, scale) = (kind.rows(), bench.scale());
    let made = kind.filled(bench, "followed", scale.store, 8).await?;
    feed::capture(&made.store).await?;
    let follower = kind.opened_again(&made).await?;
    let at = format!("{WRITERS} writers");
    // Two books would be two stores: each side takes its turn.
    let book = RefCell::new(Book::new(scale.store));
    let plan = || book.borrow_mut().updates(WRITERS * scale.followed);
    let mut latest = Vec::new();
    let ours = async || {
        let (time, lag) = followed(&made.store, &follower, plan()).await?;
        latest.push(lag);
        Ok(time)
    };
    let alone = async || ours::updates_at_once(&made.store, plan(), WRITERS).await;
    // What is measured for one row is measured for the other.
    let pairs = crate::measure::pairs(bench.pairs(), ours, alone).await?;
    bench.push_compared(&rows.follow, at.clone(), &pairs);
    if bench.wants(&rows.lag) {
        // The first round does not count.
        let each = Spread::of(latest.into_iter().skip(1));
        bench.push(Line::new(&rows.lag, at, bench.pairs(), Figures::Seconds { each }));
    }
    follower.close().await?;
    made.end().await
}

/// The time until the consumer has every change, and how late 99 of 100 were, in
/// seconds.
async fn followed(store: &Store, follower: &Store, plan: Vec<Update>) -> Result<(Timed, f64)> {
    let consumers = Consumers::new(Arc::clone(follower));
    let name = ConsumerName::new("bench")?;
    consumers.subscribe(&name, SubscribeOptions::default()).await?;
    let mut consumer = Consumer::open(&consumers, &name).await?;
    let count = plan.len();
    let mut delivered = Moments::with_capacity(count);
    let begin = Instant::now();
    let writers = write(store, plan);
    let options = FollowOptions::default();
    loop {
        let written = writers.iter().all(Writer::is_finished);
        let handler = async |changes: &[RecordChange]| {
            let now = Instant::now();
            let key = |change: &RecordChange| (change.key.id.to_string(), change.version.get());
            delivered.extend(changes.iter().map(|change| (key(change), now)));
            Ok(())
        };
        consumer.follow(&options.until_head(), handler).await?;
        if written || delivered.len() >= count {
            break;
        }
        // As a consumer does that follows without an end.
        tokio::time::sleep(options.poll).await;
    }
    let elapsed = begin.elapsed();
    consumer.close().await?;
    consumers.unsubscribe(&name).await?;
    let mut acknowledged = Moments::with_capacity(count);
    for writer in writers {
        acknowledged.extend(writer.await.map_err(errors::raw("commit"))??);
    }
    errors::expect("follow", acknowledged.len(), delivered.len())?;
    Ok((Timed { elapsed, operations: count }, latest(&acknowledged, &delivered)))
}

type Writer = tokio::task::JoinHandle<Result<Vec<((String, u64), Instant)>>>;

fn write(store: &Store, plan: Vec<Update>) -> Vec<Writer> {
    let mut parts: Vec<Vec<Update>> = (0..WRITERS).map(|_| Vec::new()).collect();
    for (at, update) in plan.into_iter().enumerate() {
        parts[at % WRITERS].push(update);
    }
    let writer = |part: Vec<Update>| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut acknowledged = Vec::with_capacity(part.len());
            for update in part {
                let document = Document::parse(&update.text)?;
                let expected = Version::new(update.expected)?;
                let stored = store.update(data::key(&update.id)?, document, expected).await?;
                acknowledged.push(((update.id, stored.version.get()), Instant::now()));
            }
            Ok::<_, Error>(acknowledged)
        })
    };
    parts.into_iter().map(writer).collect()
}

/// The lag that 99 of 100 changes do not exceed.
fn latest(acknowledged: &Moments, delivered: &Moments) -> f64 {
    let mut lags: Vec<f64> = acknowledged
        .iter()
        .filter_map(|(key, at)| Some(delivered.get(key)?.saturating_duration_since(*at)))
        .map(|lag| lag.as_secs_f64())
        .collect();
    lags.sort_by(f64::total_cmp);
    let at = (lags.len() * 99).div_ceil(100).saturating_sub(1);
    lags.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_lag_is_that_of_99_of_100() {
        let begin = Instant::now();
        let key = |n: u64| (n.to_string(), 1);
        let acknowledged: Moments = (0..200).map(|n| (key(n), begin)).collect();
        let delivered: Moments =
            (0..200).map(|n| (key(n), begin + Duration::from_secs(n + 1))).collect();
        assert!((latest(&acknowledged, &delivered) - 198.0).abs() < 1e-9);
        // One that was there before its writer knew.
        let late = Moments::from([(key(0), begin + Duration::from_secs(5))]);
        assert!(latest(&late, &delivered).abs() < 1e-9);
    }
}
