//! Acquiring leases.

use std::sync::Arc;

use repo_core::strategy::OwnerId;
use repo_core::{Error, ErrorKind, Result};
use tokio::time::sleep;

use crate::holder::LeaseHolder;
use crate::holding::{Acquired, Holding, version_at};
use crate::keys::Keys;
use crate::lease::Lease;
use crate::leases::Leases;
use crate::mode::LeaseMode;
use crate::observed::{Idle, Looked};
use crate::pauses;
use crate::plan::{HeldByOthers, Step, Take, Wanted, plan};
use crate::refusals::{held, overtaken};
use crate::scope::LeaseScope;
use crate::state::State;
use crate::ttl::LeaseTtl;

const ACQUIRE: &str = "acquire a lease";

/// What became of an attempt.
enum Attempt {
    Acquired(Lease),
    Held(HeldByOthers),
    /// Others were faster each time.
    Overtaken(Error),
}

impl Leases {
    /// Acquires a lease for this process alone, if nobody else holds it, or who holds it has
    /// not renewed it for its time.
    ///
    /// That is seen by this process, not told by a clock of others: the time runs from the
    /// first call of this handle that found the last renewal. So a lease whose holder is gone
    /// is taken over by a later call, at the earliest when its time has passed.
    ///
    /// # Errors
    /// `Locked` while others hold it; `Unavailable` when others changed it at the same moment,
    /// again and again; `OutcomeUnknown` when it may be held by nobody until its time has
    /// passed; `NotFound` for a store without the collections of
    /// [`prepare`](Self::prepare); what the store reports.
    pub async fn try_acquire(&self, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        self.try_in(LeaseMode::Exclusive, scope, ttl).await
    }

    /// Acquires a lease together with others who share it, if nobody holds it exclusively, and
    /// fewer than [`MAX_SHARED_HOLDERS`](crate::MAX_SHARED_HOLDERS) share it.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    pub async fn try_acquire_shared(&self, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        self.try_in(LeaseMode::Shared, scope, ttl).await
    }

    /// Waits until this process holds the lease alone. There is no queue: of several who wait
    /// any one is next, and holders who share the lease in turn can keep it for ever.
    ///
    /// Bound the time by `tokio::time::timeout`. If the future is dropped while it writes,
    /// nobody may hold the lease until its time has passed.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire), except `Locked`.
    pub async fn acquire(&self, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        self.wait_in(LeaseMode::Exclusive, scope, ttl).await
    }

    /// Waits until this process holds the lease together with others who share it.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_shared(&self, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        self.wait_in(LeaseMode::Shared, scope, ttl).await
    }

    async fn try_in(&self, mode: LeaseMode, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        let wanted = self.wanted(mode, scope, ttl)?;
        match self.attempt(&wanted).await? {
            Attempt::Acquired(lease) => Ok(lease),
            Attempt::Held(by) => Err(held(&wanted.keys, &by)),
            Attempt::Overtaken(error) => Err(overtaken(&wanted.keys, ACQUIRE, error)),
        }
    }

    async fn wait_in(&self, mode: LeaseMode, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Lease> {
        let mut wanted = self.wanted(mode, scope, ttl)?;
        let mut pauses = pauses::waiting();
        loop {
            wanted.holder.since = self.clock.now();
            let most = match self.attempt(&wanted).await? {
                Attempt::Acquired(lease) => return Ok(lease),
                Attempt::Held(by) => by.wait,
                Attempt::Overtaken(_) => ttl.as_duration(),
            };
            sleep(pauses.next().unwrap_or(most).min(most)).await;
        }
    }

    fn wanted(&self, mode: LeaseMode, scope: &LeaseScope, ttl: LeaseTtl) -> Result<Wanted> {
        let (name, since) = (self.holder.clone(), self.clock.now());
        let holder = LeaseHolder { name, since, ttl, owner: OwnerId::random()? };
        Ok(Wanted { keys: Keys::new(scope)?, mode, holder })
    }

    /// Acquires it, or says why not now. What the owner's own commits did is found out, also
    /// of those whose answers were lost.
    async fn attempt(&self, wanted: &Wanted) -> Result<Attempt> {
        // A lease that is not known to be held is probably free: one commit acquires it.
        let exclusive = wanted.mode == LeaseMode::Exclusive;
        let mut unread = exclusive && !self.observed.knows(wanted.keys.scope());
        let mut pauses = pauses::contention();
        loop {
            let was_unread = std::mem::take(&mut unread);
            let step = match was_unread {
                true => plan(&State::default(), wanted, &Idle::default())?,
                false => self.look(wanted).await?,
            };
            let acquired = match step {
                Step::Wait(by) => return Ok(Attempt::Held(by)),
                Step::Take(take) => self.take(wanted, take).await,
                Step::Mine { slot, token, renewal } => {
                    let sent = self.monotonic.now();
                    self.adopt(wanted, Acquired { slot, token, renewal, sent }).await
                }
            };
            let error = match acquired {
                Ok(lease) => {
                    self.observed.forget(wanted.keys.scope());
                    return Ok(Attempt::Acquired(lease));
                }
                Err(error) if was_unread && error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => error,
            };
            let overtaken = !error.failed_preconditions().is_empty();
            let unclear =
                matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown);
            match pauses.next() {
                Some(pause) if overtaken || unclear => sleep(pause).await,
                None if overtaken => return Ok(Attempt::Overtaken(error)),
                _ => return Err(error.with("lease", wanted.keys.scope())),
            }
        }
    }

    /// Decides about the lease as it stands in the store.
    async fn look(&self, wanted: &Wanted) -> Result<Step> {
        let asked = self.monotonic.now();
        let state = State::read(&*self.store, &wanted.keys).await?;
        let looked = Looked { asked, answered: self.monotonic.now() };
        let idle = self.observed.look(wanted.keys.scope(), &state, looked);
        plan(&state, wanted, &idle)
    }

    async fn take(&self, wanted: &Wanted, take: Take) -> Result<Lease> {
        let sent = self.monotonic.now();
        let written = self.store.commit(take.writes).await?;
        let token = match take.token {
            Some(token) => token,
            None => version_at(ACQUIRE, &written, 0)?,
        };
        let renewal = version_at(ACQUIRE, &written, 1)?;
        self.lease(wanted, Acquired { slot: take.slot, token, renewal, sent })
    }

    /// A lease that an earlier commit acquired, whose answer was lost. Its time may have
    /// passed, so it is renewed.
    async fn adopt(&self, wanted: &Wanted, acquired: Acquired) -> Result<Lease> {
        let lease = self.lease(wanted, acquired)?;
        lease.renew().await?;
        Ok(lease)
    }

    fn lease(&self, wanted: &Wanted, acquired: Acquired) -> Result<Lease> {
        let holding = Holding::new(self, wanted, acquired)?;
        Ok(Lease { holding: Arc::new(holding) })
    }
}
