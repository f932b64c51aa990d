//! Copying and following, until the caller stops it or the migration ends.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use repo_core::strategy::{StoreId, StoreRole};
use repo_core::{Clock as _, CollectionName, EntityId, ErrorKind, Result, Schemas, SystemClock};

use super::claim::{capture, claim};
use super::compare::{verify_pair, verify_recent};
use super::copy::copy;
use super::follow::{CARRIED_AT_ONCE, carry};
use super::load::{self, Load};
use super::pair::{LiveStores, Pair, Side};
use super::{LiveOptions, kept, lag, measure, positions, tail};
use crate::progress::{Phase, Progress};

/// How long it waits for a store that is away, at first and at most.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How often it is measured how far the other store is behind.
const MEASURED_EVERY: Duration = Duration::from_secs(1);
/// How often what was written of late is compared.
const RECENT_EVERY: Duration = Duration::from_secs(1);

/// Begins or resumes a live migration: copies the source, and carries its changes to the target
/// until `progress` asks it to end. After a switch it carries the changes of the target to the
/// source. Returns when it is stopped, and when the migration has been finished or aborted.
/// Several may run at once; they do the same work twice.
///
/// The target gets the collections of the source: as `schemas` declares them, in the
/// schema version of the source.
///
/// # Errors
/// `Locked` for a store that takes part in another live migration or has an unfinished job;
/// `AlreadyExists` for a target that is not empty; `Unsupported` for what a live migration does not
/// carry over; `Corrupt` for a record that both stores hold differently under one version; those of the
/// stores.
pub async fn start(
    stores: LiveStores<'_>,
    schemas: &Schemas,
    options: &LiveOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let pair = claim(stores, schemas, SystemClock.now()).await?;
    let ended = run_patiently(&pair, options, progress).await;
    let closed = pair.close().await;
    match ended {
        // Another process finished or aborted it.
        Err(_) if has_ended(&pair, stores).await? => closed,
        Err(error) => Err(error),
        Ok(()) => closed,
    }
}

/// Runs again while a store is away for a moment: every step may be repeated.
async fn run_patiently(pair: &Pair, options: &LiveOptions, progress: &dyn Progress) -> Result<()> {
    let mut compared = Compared { whole: None, recent: Instant::now() };
    let delays = || {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .without_max_times()
            .with_total_delay(Some(options.patience))
            .build()
    };
    let mut next_delays = delays();
    loop {
        let begun = Instant::now();
        let Err(error) = run(pair, options, progress, &mut compared).await else { return Ok(()) };
        if begun.elapsed() > LONGEST_DELAY {
            // It was there meanwhile.
            next_delays = delays();
        }
        let passes = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown);
        let Some(delay) = next_delays.next().filter(|_| passes && !progress.is_stopped()) else {
            return Err(error);
        };
        tracing::warn!(%error, ?delay, "the live migration is resumed after a pause");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = progress.stopped() => return Ok(()),
        }
    }
}

async fn run(
    pair: &Pair,
    options: &LiveOptions,
    progress: &dyn Progress,
    compared: &mut Compared,
) -> Result<()> {
    capture(pair, &pair.source).await?;
    // Its own changes are needed from the moment on in which programs may write to it.
    capture(pair, &pair.target).await?;
    if !kept::read(pair.source.store.as_ref(), pair.live).await?.copied
        && !copy(pair, options, progress).await?
    {
        return Ok(());
    }
    let (mut watch, mut measured) = (Watch::new(options), Measured { next: Instant::now() });
    while !progress.is_stopped() {
        if pair.source.role().await?.live != Some(pair.live) {
            return Ok(());
        }
        let (direction, role) = pair.direction().await?;
        let begun = Instant::now();
        let carried = carry(pair, direction).await?;
        measured.changes(pair, direction.leader, carried).await?;
        if carried > 0 {
            watch.follow(direction.leader, begun.elapsed(), progress).await?;
        }
        if carried == CARRIED_AT_ONCE.get() {
            continue;
        }
        if role.role == StoreRole::Authority {
            compared.compare(pair, options, progress).await?;
        }
        if carried == 0 {
            tokio::select! {
                () = tokio::time::sleep(options.poll) => {}
                () = progress.stopped() => {}
            }
        }
    }
    Ok(())
}

/// Whether following is too much for the authority.
struct Watch {
    load: Option<Load>,
    /// Of which store, and what is read of it.
    read: Option<(StoreId, CollectionName, Vec<EntityId>)>,
}

impl Watch {
    fn new(options: &LiveOptions) -> Self {
        Self { load: options.max_load.map(Load::new), read: None }
    }

    /// Looks at how fast the authority answers, and waits if it suffers; `took` is how long the
    /// last changes took.
    async fn follow(
        &mut self,
        leader: &Side,
        took: Duration,
        progress: &dyn Progress,
    ) -> Result<()> {
        let Some(load) = &mut self.load else { return Ok(()) };
        if self.read.as_ref().is_none_or(|(of, ..)| *of != leader.id) {
            // Another store answers in times of its own.
            load.forget();
            let found = load::some_records(leader).await?;
            self.read = found.map(|(name, ids)| (leader.id, name, ids));
        }
        let Some((_, name, ids)) = &self.read else { return Ok(()) };
        if load.note(load::time(leader, name, ids).await?) {
            measure::slower(load.slower());
            tracing::info!(slower = load.slower(), "the following follows the load of the store");
        }
        let pause = load.pause_after(took).min(LONGEST_DELAY);
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = progress.stopped() => {}
            }
        }
        Ok(())
    }
}

/// When it is measured next how far the other store is behind.
struct Measured {
    next: Instant,
}

impl Measured {
    async fn changes(&mut self, pair: &Pair, leader: &Side, carried: usize) -> Result<()> {
        measure::carried(carried as u64);
        if measure::ENABLED && self.next <= Instant::now() {
            measure::behind(lag::behind_seconds(pair, leader).await?);
            self.next = Instant::now() + MEASURED_EVERY;
        }
        Ok(())
    }
}

/// When both stores were compared, by this run.
struct Compared {
    whole: Option<Instant>,
    recent: Instant,
}

impl Compared {
    /// Compares everything when that is due, and else what was written of late.
    async fn compare(
        &mut self,
        pair: &Pair,
        options: &LiveOptions,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (direction, role) = pair.direction().await?;
        if self.whole.is_none_or(|at| at.elapsed() >= options.verify_every) {
            verify_pair(pair, options, progress).await?;
            self.whole = Some(Instant::now());
            progress.phase(Phase::Follow, None);
        } else if self.recent.elapsed() >= RECENT_EVERY {
            tail::repair(pair, direction).await?;
            verify_recent(pair, direction, role.epoch).await?;
            positions::note(pair, direction, role.epoch).await?;
        } else {
            return Ok(());
        }
        self.recent = Instant::now();
        Ok(())
    }
}

/// Whether a store takes no part in the live migration any more.
async fn has_ended(pair: &Pair, stores: LiveStores<'_>) -> Result<bool> {
    for place in [stores.source, stores.target] {
        let store = place.open(None).await?;
        let live = store.store_record().await?.role.live;
        store.close().await?;
        if live != Some(pair.live) {
            return Ok(true);
        }
    }
    Ok(false)
}
