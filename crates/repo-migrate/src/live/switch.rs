//! The authority changes hands.
//!
//! 1. *Checks*, with nothing written: everything is copied, both stores were compared and are
//!    equal, the other store is close behind.
//! 2. *Fence*: the authority takes no more writes.
//! 3. *Drain*: the other store gets the last of them, while the leases of readers pass.
//! 4. *Compare* what changed since the last comparison.
//! 5. *Decide*: the store that is fenced retires, and names the other one. Only it decides, and
//!    only under the attempt of this fence; from here on there is no way but on.
//! 6. *Promote*: the other store is the authority. Whoever reads the decision may do this.
//!
//! What fails before the decision lifts the fence.

use std::time::{Duration, Instant};

use repo_core::strategy::{RoleState, Route, StoreRole, SystemCollection, mirror_system_items};
use repo_core::{Clock as _, Error, ErrorKind, Result, SystemClock};
use serde::Serialize;

use super::compare::{verify_recent, verify_rest};
use super::copy::raise_floor;
use super::follow::{CARRIED_AT_ONCE, carry, drain};
use super::kept::{self, Kept};
use super::pair::{Direction, LiveStores, Pair};
use super::tail::{self, LateWrites};
use super::{SwitchOptions, consumers, kept::Verified, measure, positions};

/// How long readers may still read a store after it was fenced: their lease, and what clocks
/// of two machines differ by in that time.
const LEASES_PASS: Duration = Duration::from_millis(1_100);
/// How old the last comparison may be.
const VERIFIED_WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// What is left takes no longer than this to be carried, once a switch has caught up: the pause
/// lasts longer anyway.
const SOON: Duration = Duration::from_millis(500);
/// How often the last changes are carried before the fence.
const MOST_CARRIED: usize = 100;

/// What a switch did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SwitchReport {
    /// Whether the switch was made; false for a dry run.
    pub switched: bool,
    /// The store that is the authority now.
    pub authority: String,
    /// Its epoch.
    pub epoch: u64,
    /// For how long writers had to wait.
    pub pause_ms: u64,
    /// Records that were compared in the pause.
    pub compared: u64,
    /// Those that differed; a switch that is made has none.
    pub differences: u64,
}

/// Makes the target the authority. Safe to repeat: once decided, it only finishes what is left.
///
/// # Errors
/// `Locked` when it is too early, when something is different in the two stores, or when
/// somebody else cancelled the switch; `Unavailable` when the pause would be too long or a store
/// is in use all the time. The source takes writes then. `NotFound` for stores that take
/// part in no live migration.
pub async fn switch(stores: LiveStores<'_>, options: SwitchOptions) -> Result<SwitchReport> {
    hand_over(stores, options, true).await
}

/// Makes the source the authority again.
///
/// # Errors
/// As [`switch`].
pub async fn back(stores: LiveStores<'_>, options: SwitchOptions) -> Result<SwitchReport> {
    hand_over(stores, options, false).await
}

async fn hand_over(
    stores: LiveStores<'_>,
    options: SwitchOptions,
    to_target: bool,
) -> Result<SwitchReport> {
    let pair = Pair::open(stores).await?;
    let done = Switch { pair: &pair, direction: pair.towards(to_target), options }.run().await;
    pair.close().await?;
    if let Ok(report) = &done
        && report.pause_ms > 0
    {
        measure::paused(Duration::from_millis(report.pause_ms));
    }
    done
}

struct Switch<'a> {
    pair: &'a Pair,
    direction: Direction<'a>,
    options: SwitchOptions,
}

impl Switch<'_> {
    async fn run(&self) -> Result<SwitchReport> {
        let role = self.direction.leader.role().await?;
        match role.role {
            StoreRole::Authority => self.begin(&role).await,
            // Somebody was killed at it, or is at it.
            StoreRole::Fenced => {
                let begun = Instant::now();
                // What the step to the fence waits for: whoever took it may have been killed.
                let role = self.direction.leader.step(&role, |_| {}).await?;
                self.behind_fence(&role, begun).await
            }
            StoreRole::Retired => self.promote(&role, None).await,
            StoreRole::Replica => Err(self.refuse("the authority is the other store")),
            _ => Err(self.refuse("the store has a role that this program does not know")),
        }
    }

    async fn begin(&self, role: &RoleState) -> Result<SwitchReport> {
        let kept = kept::read(self.direction.leader.store.as_ref(), self.pair.live).await?;
        self.check(&kept)?;
        self.catch_up().await?;
        self.refuse_late(tail::repair(self.pair, self.direction).await?)?;
        verify_recent(self.pair, self.direction, role.epoch).await?;
        self.check(&kept::read(self.direction.leader.store.as_ref(), self.pair.live).await?)?;
        consumers::check(self.pair, self.direction).await?;
        if self.options.dry_run {
            return Ok(SwitchReport {
                switched: false,
                authority: self.direction.leader.store.location().to_owned(),
                epoch: role.epoch,
                pause_ms: 0,
                compared: 0,
                differences: 0,
            });
        }
        // What is left for the pause is what changes until then.
        positions::note(self.pair, self.direction, role.epoch).await?;
        self.carry_items().await?;
        consumers::carry(self.pair, self.direction).await?;
        // And what was written during all of that.
        self.catch_up().await?;
        let begun = Instant::now();
        let limit = u32::try_from(self.options.max_pause.as_millis()).unwrap_or(u32::MAX);
        let fenced = self
            .direction
            .leader
            .step(role, |next| {
                next.role = StoreRole::Fenced;
                next.attempt += 1;
                next.max_pause_ms = Some(limit);
            })
            .await?;
        self.behind_fence(&fenced, begun).await
    }

    /// Carries changes until what is left takes less time than readers need anyway.
    async fn catch_up(&self) -> Result<()> {
        for _ in 0..MOST_CARRIED {
            let begun = Instant::now();
            let is_end = carry(self.pair, self.direction).await? < CARRIED_AT_ONCE.get();
            if is_end && begun.elapsed() < SOON {
                break;
            }
        }
        Ok(())
    }

    /// Whether it is time.
    fn check(&self, kept: &Kept) -> Result<()> {
        if !kept.copied || kept.position.is_none() {
            return Err(self.refuse("the source has not been copied yet"));
        }
        let Some(verified) = &kept.verified else {
            return Err(self.refuse("both stores have not been compared yet"));
        };
        if verified.differences > 0 {
            return Err(self
                .refuse("the two stores differ")
                .with("differences", verified.differences));
        }
        let age = SystemClock.now().as_micros().saturating_sub(verified.at.as_micros());
        let most = i64::try_from(VERIFIED_WITHIN.as_micros()).unwrap_or(i64::MAX);
        if age > most {
            return Err(self.refuse("both stores were compared more than 24 hours ago"));
        }
        Ok(())
    }

    /// Writes that came past the fence, and that the authority does not outrank.
    fn refuse_late(&self, found: LateWrites) -> Result<()> {
        let Some(first) = found.stay.first() else { return Ok(()) };
        let why = "the other store was written to after it had given the authority up";
        Err(self
            .refuse(why)
            .with("records", found.stay.len())
            .with("key", first)
            .hint("write the record in the authority, and delete it there if it is not wanted"))
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(ErrorKind::Locked, "switch to the other store", why)
            .with("store", self.direction.leader.store.location())
            .with("other", self.direction.follower.store.location())
            .hint("nothing was changed; look at the status of the live migration")
    }

    async fn behind_fence(&self, fenced: &RoleState, begun: Instant) -> Result<SwitchReport> {
        match self.decide(fenced, begun).await {
            Ok((retired, compared)) => self.promote(&retired, Some((begun, compared))).await,
            Err(error) => {
                // Locked: somebody else cancelled, decided or aborted.
                let cancelled = self
                    .direction
                    .leader
                    .step(fenced, |next| {
                        next.role = StoreRole::Authority;
                        next.attempt += 1;
                        next.max_pause_ms = None;
                    })
                    .await;
                match cancelled {
                    // What went wrong is that somebody else was faster.
                    Err(other) if other.kind() == ErrorKind::Locked => return Err(other),
                    Err(other) => {
                        tracing::warn!(error = %other, "the fence was not lifted by this switch");
                    }
                    Ok(_) => {}
                }
                Err(error)
            }
        }
    }

    /// Everything from the fence to the decision; the role of the store that has retired.
    async fn decide(&self, fenced: &RoleState, begun: Instant) -> Result<(RoleState, u64)> {
        let Direction { leader, follower } = self.direction;
        let most = self.options.max_pause;
        // All of it may be dropped at any point: nothing is decided yet.
        let handed =
            tokio::time::timeout(most.saturating_sub(begun.elapsed()), self.hand_on(fenced.epoch));
        let compared = handed.await.unwrap_or_else(|_| {
            let why = "the pause became longer than it may be, so the switch was cancelled";
            Err(Error::new(ErrorKind::Unavailable, "switch to the other store", why)
                .with("pause_ms", begun.elapsed().as_millis())
                .with("max_pause_ms", most.as_millis())
                .hint("the store takes writes again; try when fewer are written, or allow more"))
        })?;
        let route = Route::new(follower.store.location(), follower.id, self.pair.live);
        let retired = leader
            .step(fenced, |next| {
                next.role = StoreRole::Retired;
                next.epoch += 1;
                next.max_pause_ms = None;
                next.route = Some(route);
            })
            .await?;
        Ok((retired, compared))
    }

    /// What the other store still lacks, while the leases of readers pass; how many records were
    /// compared.
    async fn hand_on(&self, epoch: u64) -> Result<u64> {
        let head = self.direction.leader.store.head().await?;
        let drained = async {
            drain(self.pair, self.direction, &head).await?;
            self.carry_rest().await?;
            self.refuse_late(tail::find(self.pair, self.direction).await?)?;
            self.compare().await
        };
        let waited = consumers::wait(self.direction, &head);
        let leases = tokio::time::sleep(LEASES_PASS);
        let (drained, waited, ()) = futures::future::join3(drained, waited, leases).await;
        waited?;
        positions::note(self.pair, self.direction, epoch).await?;
        consumers::carry(self.pair, self.direction).await?;
        drained
    }

    /// What is not in the feed: floors, and the engine's own items that travel.
    async fn carry_rest(&self) -> Result<()> {
        for name in self.direction.leader.record().await?.collections.keys() {
            raise_floor(self.direction, name).await?;
        }
        self.carry_items().await
    }

    /// The engine's own items that belong to the records: tags, and what was erased.
    async fn carry_items(&self) -> Result<()> {
        let Direction { leader, follower } = self.direction;
        let mut tries = 0;
        for collection in SystemCollection::ALL.iter().copied().filter(|c| c.travels()) {
            loop {
                let mirrored =
                    mirror_system_items(&*leader.store, &*follower.store, collection, "").await;
                match mirrored {
                    Err(error) if consumers::is_taken(&error, &mut tries) => {}
                    Err(error) => return Err(error),
                    Ok(_) => break,
                }
            }
        }
        Ok(())
    }

    async fn compare(&self) -> Result<u64> {
        let kept = kept::read(self.direction.leader.store.as_ref(), self.pair.live).await?;
        let Some(Verified { position, .. }) = &kept.verified else {
            return Err(self.refuse("both stores have not been compared yet"));
        };
        let found = verify_rest(self.pair, self.direction, position).await?;
        match found.named.first() {
            None => Ok(found.records),
            Some(first) => Err(self
                .refuse("the two stores differ")
                .with("differences", found.differences)
                .with("key", &first.key)),
        }
    }

    async fn promote(
        &self,
        retired: &RoleState,
        pause: Option<(Instant, u64)>,
    ) -> Result<SwitchReport> {
        let Direction { leader, follower } = self.direction;
        loop {
            let role = follower.role().await?;
            if role.role == StoreRole::Authority && role.epoch >= retired.epoch {
                break;
            }
            if retired.live != Some(self.pair.live) || role.epoch >= retired.epoch {
                return Err(self.refuse("the store retired in another live migration"));
            }
            let promoted = follower
                .step(&role, |next| {
                    next.role = StoreRole::Authority;
                    next.epoch = retired.epoch;
                    next.route = None;
                })
                .await;
            match promoted {
                // A router was faster.
                Err(error) if error.kind() == ErrorKind::Locked => {}
                promoted => drop(promoted?),
            }
        }
        let pause_ms = pause.map_or(0, |(begun, _)| begun.elapsed().as_millis());
        // What is compared from here on is the other direction.
        let head = follower.store.head().await?;
        let at = SystemClock.now();
        kept::change(follower, self.pair.live, |kept| {
            kept.copied = true;
            // What was found since stays found.
            if pause.is_none() && kept.verified.is_some() {
                return;
            }
            kept.verified = Some(Verified::new(head.clone(), at, 0, 0, &[]));
        })
        .await?;
        let reversed = Direction { leader: follower, follower: leader };
        positions::note(self.pair, reversed, retired.epoch).await?;
        tracing::info!(
            authority = follower.store.location(),
            retired = leader.store.location(),
            epoch = retired.epoch,
            "the authority has changed hands"
        );
        Ok(SwitchReport {
            switched: true,
            authority: follower.store.location().to_owned(),
            epoch: retired.epoch,
            pause_ms: u64::try_from(pause_ms).unwrap_or(u64::MAX),
            compared: pause.map_or(0, |(_, compared)| compared),
            differences: 0,
        })
    }
}
