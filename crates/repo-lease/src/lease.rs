//! A lease that this process holds.

use std::sync::Arc;
use std::time::Duration;

use repo_core::{Error, Result, Transaction, Version, Write, Written};

use crate::holder::HolderName;
use crate::holding::Holding;
use crate::mode::LeaseMode;
use crate::scope::LeaseScope;
use crate::ttl::LeaseTtl;

/// A lease that this process holds. Made by [`Leases::acquire`](crate::Leases::acquire) and
/// its like.
///
/// While it holds, nobody else has it. It holds until it is given back, until others take it
/// over because it was not renewed for its time, or until an operator releases it by force.
/// A process cannot know which of these has just happened; the store does. So what the lease
/// protects is written with its [guard](Self::guard), by [`commit`](Self::commit) or in a
/// transaction that it [protects](Self::protect): the store refuses a commit of a holder that
/// has lost the lease, however late the commit arrives and whatever any clock says.
///
/// Dropping a lease does not give it back: others can have it when its time has passed.
#[derive(Debug)]
#[must_use = "a lease that is dropped keeps others away until its time has passed"]
pub struct Lease {
    pub(crate) holding: Arc<Holding>,
}

impl Lease {
    /// What it is for.
    #[must_use]
    pub fn scope(&self) -> &LeaseScope {
        self.holding.keys().scope()
    }

    /// Whether it is held alone.
    #[must_use]
    pub fn mode(&self) -> LeaseMode {
        self.holding.mode()
    }

    /// In which name it is held.
    #[must_use]
    pub fn holder(&self) -> &HolderName {
        &self.holding.holder().name
    }

    /// How long it keeps others away without a renewal.
    #[must_use]
    pub fn ttl(&self) -> LeaseTtl {
        self.holding.holder().ttl
    }

    /// Its token: the version of its record in the store. Of one scope in one store a later
    /// holder has a higher one, also after the lease was given back, and its record purged.
    /// Those who share a lease have the same one. It is for services that are no part of the
    /// store, and refuse what comes with a lower token than they have seen.
    #[must_use]
    pub fn token(&self) -> Version {
        self.holding.token()
    }

    /// How long nobody can have taken it over yet, by the clock of this process: its time
    /// since the last renewal that succeeded was sent. Zero says that others may have it, not
    /// that they do. A process that was stopped may be told a time that has passed already;
    /// only the store decides.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.holding.remaining()
    }

    /// The condition under which a commit is one of the holder: no write, but a check of the
    /// record of the lease. It takes one key of a commit.
    #[must_use]
    pub fn guard(&self) -> Write {
        let (key, condition) = self.holding.condition();
        Write::check(key, condition)
    }

    /// Commits writes with the [guard](Self::guard), and answers for them alone. What is read
    /// before and has to be unchanged needs conditions of its own, unless everybody who
    /// changes it does so under this lease.
    ///
    /// # Errors
    /// `Conflict` when the lease is lost ([`is_lost`](Self::is_lost) tells), with nothing
    /// written; else those of [`commit`](repo_core::strategy::StorageStrategy::commit).
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.holding.commit(writes).await
    }

    /// Has a transaction check the [guard](Self::guard) when it commits. A transaction that
    /// fails for it is not tried again.
    ///
    /// # Errors
    /// `Invalid` when the transaction is protected by another lease of the same scope.
    pub fn protect(&self, transaction: &mut Transaction) -> Result<()> {
        let (key, condition) = self.holding.condition();
        transaction.require(key, condition)
    }

    /// Whether what failed, of a commit with the guard, of a renewal or of a release, says
    /// that this lease is lost.
    #[must_use]
    pub fn is_lost(&self, error: &Error) -> bool {
        self.holding.is_lost(error)
    }

    /// An error with the name of the lease and what to do, if it says that the lease is lost.
    pub(crate) fn named_if_lost(&self, error: Error) -> Error {
        self.holding.named_if_lost(error)
    }

    /// Asks the store whether the lease is held by a later holder by now. The answer may be
    /// out of date when it arrives; a commit with the guard is not.
    ///
    /// # Errors
    /// `Conflict` when it is lost; what the store reports.
    pub async fn check(&self) -> Result<()> {
        self.holding.check().await
    }

    /// Renews it: its time begins anew. Neither the token nor a commit with the guard that is
    /// under way is disturbed.
    ///
    /// One that shares a lease may be refused though nobody took the lease over: its place was
    /// given to another holder when all were taken. Its guard holds until the lease is held
    /// exclusively, or was given back by all.
    ///
    /// # Errors
    /// `Conflict` when it is lost; what the store reports, and then it may be tried again.
    pub async fn renew(&self) -> Result<()> {
        self.holding.renew().await
    }

    /// Gives it back: others can acquire it at once. What is under way with the guard is
    /// refused from then on.
    ///
    /// # Errors
    /// `Conflict` when it was lost before: who took it over keeps it. What the store reports;
    /// others can have it then when its time has passed.
    pub async fn release(self) -> Result<()> {
        self.holding.release().await
    }
}
