//! Ending the loads of others: of a run that was killed, never of one that is
//! at work.

use std::collections::BTreeMap;
use std::time::Instant;

use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, Result};

use crate::definition::{Definition, LoadDefinition};
use crate::shared::Shared;

/// Loads as they were first seen.
type Seen = BTreeMap<CollectionName, LoadDefinition>;

impl Shared {
    /// Makes ordinary collections of those among `schemas` that another handle
    /// began to load, once none of its requests can be accepted any more.
    ///
    /// # Errors
    /// `Unavailable` when that load is still at work.
    pub(crate) async fn take_over_loads(&self, schemas: &[CollectionSchema]) -> Result<()> {
        let Some(found) = self.read_definition("prepare").await? else { return Ok(()) };
        let mut seen = self.others(&found.definition, schemas);
        if seen.is_empty() {
            return Ok(());
        }
        let since = Instant::now();
        let mut said = false;
        loop {
            if self.are_past(&seen, since).await? {
                return self.take_over(&seen).await;
            }
            if !said {
                tracing::warn!(
                    store = %self.location,
                    "a load was begun by another run; waiting until the server would refuse its \
                     requests, up to fifteen minutes"
                );
                said = true;
            }
            self.wait_longer("prepare", since).await?;
            let now = self.read_definition("prepare").await?.map(|found| found.definition);
            let now = now.unwrap_or_default();
            self.refuse_alive(&seen, &now)?;
            seen.retain(|name, _| now.loads.contains_key(name));
            if seen.is_empty() {
                return Ok(());
            }
        }
    }

    fn others(&self, definition: &Definition, schemas: &[CollectionSchema]) -> Seen {
        let session = self.session.get();
        let owned = |name| session.is_some_and(|session| session.owns(definition, name));
        let asked = schemas.iter().map(|schema| &schema.collection).filter(|name| !owned(name));
        asked
            .filter_map(|name| definition.loads.get_key_value(name))
            .map(|(name, load)| (name.clone(), load.clone()))
            .collect()
    }

    async fn are_past(&self, seen: &Seen, since: Instant) -> Result<bool> {
        let Some(latest) = seen.values().map(|load| load.renewed_at).max() else {
            return Ok(true);
        };
        self.is_past("prepare", latest, since).await
    }

    /// Refuses a load that was renewed since it was first seen.
    fn refuse_alive(&self, seen: &Seen, now: &Definition) -> Result<()> {
        let renewed = |(name, load): &(&CollectionName, &LoadDefinition)| {
            now.loads.get(*name).is_some_and(|found| found.differs(load))
        };
        match seen.iter().find(renewed) {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(
                ErrorKind::Unavailable,
                "prepare",
                "the collection is being loaded by another run",
            )
            .with("store", &self.location)
            .with("collection", name)
            .hint("wait for that run to end, or stop it, and try again")),
        }
    }

    async fn take_over(&self, seen: &Seen) -> Result<()> {
        self.change_again("prepare", |definition| {
            self.refuse_alive(seen, definition)?;
            for name in seen.keys() {
                if let Some(load) = definition.loads.remove(name) {
                    definition.collections.insert(name.clone(), load.definition);
                }
            }
            Ok(())
        })
        .await?;
        tracing::info!(store = %self.location, "a load that was broken off was taken over");
        Ok(())
    }
}
