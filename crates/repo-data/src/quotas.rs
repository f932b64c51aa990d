//! How much an owner may keep.
//!
//! A quota is compared with the sum of the counters of its owner: before bytes are taken, which
//! spares taking them for nothing, and in the commit that adds them, which decides.

use repo_core::Result;

use crate::model::{Owner, Scope, Usage};
use crate::options::Quotas;
use crate::records::Tx;
use crate::refusal::Refusal;
use crate::service::DataService;
use crate::usage::{Tally, sum_in};

impl DataService {
    /// Whether an owner may keep more, as it is now.
    ///
    /// # Errors
    /// `LimitExceeded` with the quota otherwise.
    pub(crate) async fn check_quota(&self, owner: &Owner, bytes: u64, entries: u64) -> Result<()> {
        let quotas = self.options().quotas;
        if !quotas.are_set() {
            return Ok(());
        }
        let usage = self.usage(Scope::Owner, owner.as_str()).await?;
        check(owner.as_str(), "bytes", quotas.owner_bytes, held_bytes(usage), bytes)?;
        check(owner.as_str(), "entries", quotas.owner_entries, usage.entries, entries)
    }

    /// Counts what becomes active, within its commit.
    ///
    /// With a quota all counters of the owner are read, so the commit checks them: of two that saw
    /// the same sum one meets the other, and runs again.
    ///
    /// # Errors
    /// `LimitExceeded` with the quota that what is added goes beyond.
    pub(crate) async fn count_within_quota(&self, tx: &mut Tx, tally: Tally) -> Result<()> {
        let quotas = self.options().quotas;
        if quotas.are_set() {
            for (owner, more) in tally.of_owners() {
                let usage = sum_in(tx, Scope::Owner, owner).await?;
                let (held, entries) = (held_bytes(usage), usage.entries);
                check_added(owner, "bytes", quotas.owner_bytes, held, held_bytes(more))?;
                check_added(owner, "entries", quotas.owner_entries, entries, more.entries)?;
            }
        }
        tally.write(tx, self.turn()).await
    }
}

impl Quotas {
    /// Whether there is one.
    pub(crate) fn are_set(self) -> bool {
        self.owner_bytes.is_some() || self.owner_entries.is_some()
    }
}

/// What is deleted and not yet gone is kept still.
fn held_bytes(usage: Usage) -> i64 {
    usage.bytes.saturating_add(usage.condemned_bytes)
}

/// The same for a change: what does not become more is not refused.
fn check_added(owner: &str, what: &str, quota: Option<u64>, held: i64, more: i64) -> Result<()> {
    match u64::try_from(more) {
        Ok(more @ 1..) => check(owner, what, quota, held, more),
        _ => Ok(()),
    }
}

fn check(owner: &str, what: &str, quota: Option<u64>, held: i64, more: u64) -> Result<()> {
    let Some(quota) = quota else { return Ok(()) };
    let held = u64::try_from(held).unwrap_or(0);
    if held.saturating_add(more) <= quota {
        return Ok(());
    }
    Err(Refusal::Quota
        .error("keep more", format!("the quota of {what} of the owner is used up"))
        .with("owner", owner)
        .with("held", held)
        .with("more", more)
        .with("quota", quota))
}
