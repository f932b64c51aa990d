//! Consumers move with their store.
//!
//! A position belongs to the feed of one store. When another store takes over, each consumer
//! gets a position there, behind which is everything that it has not seen. It may see
//! changes again that it has seen already.

use std::collections::BTreeSet;

use repo_core::strategy::{FeedPosition, StoreUpdate, SystemCollection, mirror_system_items};
use repo_core::{ErrorKind, Result};

use crate::consumers::holder;
use crate::stored::{Origin, Stored, to_text, write};
use crate::{ConsumerName, Consumers};

/// What of a consumer lies under keys that begin with its name.
const PARTS: [SystemCollection; 2] = [SystemCollection::DeadLetters, SystemCollection::States];

impl Consumers {
    /// Makes the consumers of `to` those of this store: their leases, dead letters, states, and
    /// where they stand. `place` says where in the feed of `to` everything is still ahead that is
    /// ahead of a position here, `None` being before the first change. A consumer
    /// that came from `to` and has not moved since stands where it stood. Those that `to` has and this
    /// store does not are removed there. Safe to repeat.
    ///
    /// # Errors
    /// Those of `place` and of the stores; `Locked` when `to` is changed meanwhile.
    pub async fn relocate<P>(&self, to: &Self, place: P) -> Result<usize>
    where
        P: Fn(&ConsumerName, Option<&FeedPosition>) -> Result<Option<FeedPosition>>,
    {
        // In this order: one that is carried meanwhile is in both.
        let theirs = to.names().await?;
        let ours = self.read_all().await?;
        let from = self.store.store_record().await?.id;
        let gone = theirs.iter().filter(|name| !ours.iter().any(|(ours, _)| ours == *name));
        for name in gone {
            to.drop_consumer(name).await?;
        }
        let record = to.store.store_record().await?;
        for (name, stored) in &ours {
            let holder = holder(name)?;
            if !record.capture.holders.contains(&holder) {
                to.store.update_store_record(StoreUpdate::HoldCapture(holder)).await?;
            }
            for part in PARTS {
                mirror_system_items(&*self.store, &*to.store, part, &format!("{name}/")).await?;
            }
            let collection = SystemCollection::Consumers;
            let there = to.store.system_item(collection, name.as_str()).await?;
            let position = match stored.at_home(&record) {
                Some(position) => position.cloned(),
                None => place(name, stored.position.as_ref())?,
            };
            let origin =
                Origin { store: from, position: stored.position.clone(), here: position.clone() };
            let moved = Stored { position, origin: Some(origin), ..stored.clone() };
            if there.as_ref() != Some(&to_text(&moved)?) {
                to.store.write_system_items(vec![write(name, there, Some(&moved))?]).await?;
            }
        }
        Ok(ours.len())
    }

    /// Whether every consumer that a process runs has seen everything up to a position.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn running_have_reached(&self, head: &FeedPosition) -> Result<bool> {
        let now = self.clock.now();
        let reaches = |stored: &Stored| stored.position.as_ref().is_some_and(|p| p.reaches(head));
        let runs = |stored: &Stored| stored.lease.as_ref().is_some_and(|lease| lease.until > now);
        let all = self.read_all().await?;
        Ok(all.iter().all(|(_, stored)| reaches(stored) || !runs(stored)))
    }

    /// Removes every consumer, with what it has.
    ///
    /// # Errors
    /// What the store reports; `Locked` when a process moves one on at this moment.
    pub async fn remove_all(&self) -> Result<()> {
        for name in self.names().await? {
            self.drop_consumer(&name).await?;
        }
        Ok(())
    }

    async fn names(&self) -> Result<BTreeSet<ConsumerName>> {
        Ok(self.read_all().await?.into_iter().map(|(name, _)| name).collect())
    }

    /// Removes a consumer, whoever runs it.
    async fn drop_consumer(&self, name: &ConsumerName) -> Result<()> {
        let text = self.store.system_item(SystemCollection::Consumers, name.as_str()).await?;
        if let Some(text) = text {
            let removed = self.store.write_system_items(vec![write(name, Some(text), None)?]).await;
            if let Err(error) = removed {
                let consumers = SystemCollection::Consumers;
                let there = self.store.system_item(consumers, name.as_str()).await?;
                // Somebody else removed it, or moves it on and keeps it.
                if error.kind() != ErrorKind::Locked || there.is_some() {
                    return Err(error);
                }
            }
        }
        self.remove_parts(name).await
    }
}
