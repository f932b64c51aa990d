//! What a holder knows of its lease, and what it does with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Error, ErrorKind, Key, Precondition, Result, Version, Write, Written};
use tokio::time::sleep;

use crate::holder::LeaseHolder;
use crate::keys::Keys;
use crate::leases::Leases;
use crate::mode::LeaseMode;
use crate::pauses;
use crate::plan::{Wanted, renewal_of, roster_write};
use crate::refusals::{lost, lost_by, overtaken, unmet};
use crate::slot::Slot;
use crate::state::State;
use crate::stored::{Known, Renewal};

const RELEASE: &str = "release a lease";

/// A lease that was acquired: by the handle of its program, and by who renews it.
#[derive(Debug)]
pub(crate) struct Holding {
    leases: Leases,
    keys: Keys,
    mode: LeaseMode,
    holder: LeaseHolder,
    slot: Slot,
    token: Version,
    renewal_key: Key,
    /// The version of the last renewal. Held while one is under way.
    renewal: tokio::sync::Mutex<Version>,
    /// When the last one that succeeded was sent.
    renewed: Mutex<Duration>,
}

/// What an acquisition left in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acquired {
    pub(crate) slot: Slot,
    pub(crate) token: Version,
    /// The version of the renewal.
    pub(crate) renewal: Version,
    /// When it was sent, by the monotonic clock of this process.
    pub(crate) sent: Duration,
}

impl Holding {
    pub(crate) fn new(leases: &Leases, wanted: &Wanted, acquired: Acquired) -> Result<Self> {
        Ok(Self {
            leases: leases.clone(),
            keys: wanted.keys.clone(),
            mode: wanted.mode,
            holder: wanted.holder.clone(),
            slot: acquired.slot,
            token: acquired.token,
            renewal_key: wanted.keys.renewal(acquired.slot)?,
            renewal: tokio::sync::Mutex::new(acquired.renewal),
            renewed: Mutex::new(acquired.sent),
        })
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn mode(&self) -> LeaseMode {
        self.mode
    }

    pub(crate) fn holder(&self) -> &LeaseHolder {
        &self.holder
    }

    pub(crate) fn token(&self) -> Version {
        self.token
    }

    /// How long nobody can have taken it over yet, by the clock of this process.
    pub(crate) fn remaining(&self) -> Duration {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.leases.monotonic.now().saturating_sub(renewed);
        self.holder.ttl.as_duration().saturating_sub(passed)
    }

    /// Whether what failed says that the lease is lost.
    pub(crate) fn is_lost(&self, error: &Error) -> bool {
        let ours = |key: &Key| *key == self.keys.fence || *key == self.renewal_key;
        error.failed_preconditions().iter().any(|failed| ours(&failed.key))
    }

    /// The condition that nobody has taken it over.
    pub(crate) fn condition(&self) -> (Key, Precondition) {
        (self.keys.fence.clone(), Precondition::Version(self.token))
    }

    /// Commits writes on that condition.
    pub(crate) async fn commit(&self, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        let (key, condition) = self.condition();
        writes.push(Write::check(key, condition));
        let mut written =
            self.leases.store.commit(writes).await.map_err(|error| self.named_if_lost(error))?;
        written.pop();
        Ok(written)
    }

    /// Asks the store whether that condition holds.
    pub(crate) async fn check(&self) -> Result<()> {
        let fence = &self.keys.fence;
        let found = self.leases.store.get(&fence.collection, &fence.id).await?;
        let actual = found.map(|entity| entity.version);
        if actual == Some(self.token) {
            return Ok(());
        }
        Err(lost_by(&self.keys, "check a lease", unmet(fence, self.token, actual)))
    }

    /// Renews it. The fence stays as it is.
    pub(crate) async fn renew(&self) -> Result<()> {
        let mut renewal = self.renewal.lock().await;
        let error = match self.renew_over(&mut renewal).await {
            Err(error) if names_what_failed(&error) => error,
            renewed => return renewed.map_err(|error| self.named(error)),
        };
        // It is lost; or an earlier renewal was done whose answer was not heard.
        let Some(found) = self.own_renewal().await? else { return Err(self.named(error)) };
        *renewal = found;
        self.renew_over(&mut renewal).await.map_err(|error| self.named(error))
    }

    async fn renew_over(&self, renewal: &mut Version) -> Result<()> {
        let (now, sent) = (self.leases.clock.now(), self.leases.monotonic.now());
        let condition = Precondition::Version(*renewal);
        let write = renewal_of(&self.keys, self.slot, &self.holder, now, condition)?;
        let written = self.leases.store.commit(vec![write]).await?;
        *renewal = version_at("renew a lease", &written, 0)?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        Ok(())
    }

    /// The version of the renewal in this place, if it is one of this holder.
    async fn own_renewal(&self) -> Result<Option<Version>> {
        let (key, owner) = (&self.renewal_key, self.holder.owner);
        let found = self.leases.store.get(&key.collection, &key.id).await?;
        let found: Option<Known<Renewal>> = found.as_ref().map(Known::read).transpose()?;
        Ok(found.filter(|found| found.value.owner == owner).map(|found| found.version))
    }

    /// Gives it back: others can acquire it at once.
    pub(crate) async fn release(&self) -> Result<()> {
        // A renewal that is under way ends before.
        let renewal = self.renewal.lock().await;
        let mut pauses = pauses::contention();
        loop {
            let Err(error) = self.send_release(*renewal).await else { return Ok(()) };
            let again = match error.kind() {
                ErrorKind::Unavailable => true,
                // Whatever became of the answer, it is given back if it is not held.
                ErrorKind::OutcomeUnknown => match self.is_held().await? {
                    true => true,
                    false => return Ok(()),
                },
                // Somebody joined or left at the same moment.
                _ if self.mode == LeaseMode::Shared && names_what_failed(&error) => {
                    self.is_held().await?
                }
                _ => false,
            };
            match pauses.next() {
                Some(pause) if again => sleep(pause).await,
                None if again && names_what_failed(&error) => {
                    return Err(overtaken(&self.keys, RELEASE, error));
                }
                _ => return Err(self.named(error)),
            }
        }
    }

    async fn send_release(&self, renewal: Version) -> Result<()> {
        let mut writes = vec![Write::delete(self.renewal_key.clone(), Precondition::Any)];
        match self.mode {
            LeaseMode::Exclusive => {
                let (key, condition) = self.condition();
                writes.push(Write::delete(key, condition));
            }
            LeaseMode::Shared => writes.extend(self.leaving(renewal).await?),
        }
        self.leases.store.commit(writes).await.map(drop)
    }

    /// What leaving does to those who share it; the last one removes the fence.
    async fn leaving(&self, renewal: Version) -> Result<Vec<Write>> {
        let state = self.read().await?;
        let (is_in, actual) = (self.is_in(&state), state.renewed(self.slot));
        let Some(roster) = state.roster.filter(|_| is_in) else {
            let failed = unmet(&self.renewal_key, renewal, actual);
            return Err(Error::preconditions(RELEASE, vec![(failed, true)]));
        };
        let as_read = Precondition::Version(roster.version);
        let mut slots = roster.value.slots;
        slots.remove(&self.slot);
        if !slots.is_empty() {
            return Ok(vec![roster_write(&self.keys, slots, as_read)?]);
        }
        let (fence, condition) = self.condition();
        let roster = self.keys.roster.clone();
        Ok(vec![Write::delete(roster, as_read), Write::delete(fence, condition)])
    }

    async fn read(&self) -> Result<State> {
        State::read(&*self.leases.store, &self.keys).await
    }

    async fn is_held(&self) -> Result<bool> {
        Ok(self.is_in(&self.read().await?))
    }

    /// Whether a lease that was read is held by this holder.
    fn is_in(&self, state: &State) -> bool {
        let place = state.place_of(self.holder.owner);
        place.is_some_and(|(slot, token, _)| (slot, token) == (self.slot, self.token))
    }

    /// The same error, or one that names the lease if it says that the lease is lost.
    pub(crate) fn named_if_lost(&self, error: Error) -> Error {
        if self.is_lost(&error) { lost(&self.keys, error) } else { error }
    }

    /// An error with the name of the lease; a `Conflict` if it says that the lease is lost.
    fn named(&self, error: Error) -> Error {
        if names_what_failed(&error) {
            lost(&self.keys, error)
        } else {
            error.with("lease", self.keys.scope())
        }
    }
}

fn names_what_failed(error: &Error) -> bool {
    !error.failed_preconditions().is_empty()
}

/// The version that a commit left under one of its keys.
pub(crate) fn version_at(
    operation: &'static str,
    written: &[Written],
    at: usize,
) -> Result<Version> {
    written.get(at).and_then(|written| written.version()).ok_or_else(|| {
        let why = "the store answered something else than asked";
        Error::new(ErrorKind::Corrupt, operation, why)
    })
}
