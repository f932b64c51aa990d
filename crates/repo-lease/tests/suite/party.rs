//! A store, and those who want leases in it: each with a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use repo_core::{Error, ErrorKind};
use repo_lease::{HolderName, Lease, LeaseMode, LeaseTtl, Leases, ManualMonotonicClock};

use crate::common::{Site, Store, refused, scope};

/// The time of every lease here.
pub(crate) const TTL: Duration = Duration::from_secs(10);

pub(crate) fn ttl() -> LeaseTtl {
    LeaseTtl::new(TTL).unwrap()
}

pub(crate) struct World {
    pub(crate) store: Store,
    // Behind the store, whose connections end before.
    _site: Site,
}

impl World {
    pub(crate) async fn at(site: Site) -> Self {
        Self { store: site.prepared().await, _site: site }
    }

    pub(crate) async fn memory() -> Self {
        Self::at(Site::memory()).await
    }

    /// Somebody who has observed nothing yet.
    pub(crate) fn party(&self, name: &str) -> Party {
        Party::of(&self.store, name)
    }
}

/// One process, as far as leases can tell.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) leases: Leases,
    clock: Arc<ManualMonotonicClock>,
}

impl Party {
    pub(crate) fn of(store: &Store, name: &str) -> Self {
        let clock = Arc::new(ManualMonotonicClock::default());
        let leases = Leases::new(Arc::clone(store))
            .with_holder(HolderName::new(name).unwrap())
            .with_monotonic_clock(clock.clone());
        Self { leases, clock }
    }

    pub(crate) async fn try_in(&self, mode: LeaseMode) -> Result<Lease, Error> {
        match mode {
            LeaseMode::Exclusive => self.leases.try_acquire(&scope(), ttl()).await,
            LeaseMode::Shared => self.leases.try_acquire_shared(&scope(), ttl()).await,
        }
    }

    pub(crate) async fn alone(&self) -> Lease {
        self.try_in(LeaseMode::Exclusive).await.unwrap()
    }

    pub(crate) async fn shares(&self) -> Lease {
        self.try_in(LeaseMode::Shared).await.unwrap()
    }

    /// Expects that others are in the way.
    pub(crate) async fn is_kept_away(&self, mode: LeaseMode) -> Error {
        let error = refused(self.try_in(mode).await);
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        error
    }

    /// Some time passes for this one.
    pub(crate) fn waits(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// Expects that a lease is lost, by whatever it is asked for.
#[track_caller]
pub(crate) fn assert_lost<T>(lease: &Lease, result: Result<T, Error>) {
    let error = refused(result);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(lease.is_lost(&error), "{error:?}");
    assert_eq!(error.context_value("lease"), Some("job"), "{error:?}");
}
