//! Who prunes, so that a tag is never set on a version that a prune is about to remove.
//!
//! A prune announces itself before it reads the tags. A tag is written before its
//! caller looks for a prune. So the prune sees the tag, or the caller sees the prune.

use std::num::NonZeroUsize;
use std::time::Duration;

use repo_core::strategy::{StorageStrategy, SystemCollection, SystemWrite};
use repo_core::{Error, ErrorKind, Result, Timestamp};

use crate::history::History;

/// For how long an announcement counts that is not renewed: its prune was broken off.
const LEASE: Duration = Duration::from_secs(60);
/// Announcements that are read together.
const AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

/// The announcement of a prune that runs.
pub(crate) struct PruneLease<'a> {
    history: &'a History,
    /// What is stored: the end of the lease.
    until: Timestamp,
}

impl<'a> PruneLease<'a> {
    /// # Errors
    /// `Locked` while another prune of the collection runs.
    pub(crate) async fn take(history: &'a History) -> Result<Self> {
        let found = stored(history).await?;
        if found.is_some_and(|until| until > history.clock.now()) {
            return Err(prune_runs(history, "prune versions"));
        }
        let until = history.clock.now().saturating_add(LEASE);
        let lease = Self { history, until };
        lease.write(found, Some(until)).await?;
        Ok(lease)
    }

    /// To be called before versions are removed.
    ///
    /// # Errors
    /// `Locked` when another prune took over, because this one took too long.
    pub(crate) async fn renew(&mut self) -> Result<()> {
        let now = self.history.clock.now();
        if now.saturating_add(LEASE / 2) > self.until {
            let until = now.saturating_add(LEASE);
            self.write(Some(self.until), Some(until)).await?;
            self.until = until;
        }
        Ok(())
    }

    pub(crate) async fn release(self) -> Result<()> {
        self.write(Some(self.until), None).await
    }

    async fn write(&self, expected: Option<Timestamp>, value: Option<Timestamp>) -> Result<()> {
        let [expected, value] = [expected, value].map(|until| until.map(to_text));
        let key = self.history.collection.as_str();
        let write = SystemWrite::new(SystemCollection::Prunes, key, expected, value);
        match self.history.store.write_system_items(vec![write]).await {
            Err(error) if error.kind() == ErrorKind::Locked => {
                Err(prune_runs(self.history, "prune versions").caused_by(error))
            }
            written => written,
        }
    }
}

/// # Errors
/// `Locked` while a prune runs.
pub(crate) async fn check_no_prune(history: &History, operation: &'static str) -> Result<()> {
    match stored(history).await? {
        Some(until) if until > history.clock.now() => Err(prune_runs(history, operation)),
        _ => Ok(()),
    }
}

async fn stored(history: &History) -> Result<Option<Timestamp>> {
    let key = history.collection.as_str();
    let found = history.store.system_item(SystemCollection::Prunes, key).await?;
    found.map(|text| from_text(key, &text)).transpose()
}

/// The name of a collection whose versions are being [pruned](History::prune) at `now`, by
/// whichever process; `None` where nobody prunes.
///
/// # Errors
/// `Corrupt` for what is kept of a prune and cannot be read; those of the store.
pub async fn prune_under_way(
    store: &dyn StorageStrategy,
    now: Timestamp,
) -> Result<Option<String>> {
    let mut after: Option<String> = None;
    loop {
        let items =
            store.system_items(SystemCollection::Prunes, "", after.as_deref(), AT_ONCE).await?;
        let Some(last) = items.last() else { return Ok(None) };
        after = Some(last.key.clone());
        for item in items {
            if from_text(&item.key, &item.value)? > now {
                return Ok(Some(item.key));
            }
        }
    }
}

fn from_text(collection: &str, text: &str) -> Result<Timestamp> {
    serde_json::from_str(text).map_err(|source| {
        let why = "what the store keeps of a prune is damaged";
        Error::new(ErrorKind::Corrupt, "look for a prune", why)
            .with("collection", collection)
            .caused_by(source)
    })
}

fn to_text(until: Timestamp) -> String {
    // As JSON: the text of a time needs no escapes.
    format!("\"{until}\"")
}

fn prune_runs(history: &History, operation: &'static str) -> Error {
    let why = "versions of the collection are being pruned";
    Error::new(ErrorKind::Locked, operation, why)
        .with("collection", &history.collection)
        .hint("wait until that has ended; one that was broken off counts for a minute")
}
