//! How much an owner may keep.

use repo_core::Result;

use crate::model::{Owner, Scope};
use crate::refusal::Refusal;
use crate::service::DataService;

impl DataService {
    /// Whether an owner may keep more.
    ///
    /// # Errors
    /// `LimitExceeded` with the quota otherwise.
    pub(crate) async fn check_quota(&self, owner: &Owner, bytes: u64, entries: u64) -> Result<()> {
        let quotas = self.options().quotas;
        if quotas.owner_bytes.is_none() && quotas.owner_entries.is_none() {
            return Ok(());
        }
        let usage = self.usage(Scope::Owner, owner.as_str()).await?;
        let held = usage.bytes.saturating_add(usage.condemned_bytes);
        check(owner, "bytes", quotas.owner_bytes, held, bytes)?;
        check(owner, "entries", quotas.owner_entries, usage.entries, entries)
    }
}

fn check(owner: &Owner, what: &str, quota: Option<u64>, held: i64, more: u64) -> Result<()> {
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
