//! Switching capture on and off.

use std::time::Duration;

use repo_core::strategy::{CaptureHolder, StoreRecord, layout_without_changes, never_prepared};
use repo_core::{Error, ErrorKind, Result};

use super::SHARDS;
use crate::cache::LEASE;
use crate::definition::{Definition, FeedDefinition};
use crate::layout::FEED_LAYOUT;
use crate::settle::MARGIN;
use crate::shared::Shared;

const HOLD: &str = "capture changes";
const RELEASE: &str = "end the capture of changes";

/// How long it takes until nobody acknowledges a write by a record of the store from
/// before a change, without a look at the record as it is. A little longer than what
/// writers count with, since the clocks of two machines differ in their pace.
const SWITCH: Duration = LEASE.saturating_add(MARGIN).saturating_add(Duration::from_millis(100));

impl Shared {
    /// Captures writes for this holder.
    pub(crate) async fn hold_capture(&self, holder: &CaptureHolder) -> Result<StoreRecord> {
        self.check_writable(HOLD)?;
        self.prepare_feed_table(HOLD).await?;
        self.end_all_own_loads(HOLD).await?;
        let mut definition = self
            .change_definition(HOLD, |definition| {
                self.check_feed_layout(HOLD, definition)?;
                self.check_nothing_loads(definition)?;
                if definition.capture.hold(holder.clone()) {
                    let feed = definition.feed.get_or_insert_default();
                    // Places begin anew: a position names its generation.
                    feed.trimmed = vec![0; SHARDS];
                }
                Ok(())
            })
            .await?;
        let generation = definition.capture.generation;
        if definition.feed.as_ref().is_none_or(|feed| feed.settled != generation) {
            // Also when another handle switched it on and was killed while it waited.
            tokio::time::sleep(SWITCH).await;
            definition = self
                .change_definition(HOLD, |definition| {
                    let current = definition.captures() == Some(generation);
                    if let Some(feed) = definition.feed.as_mut().filter(|_| current) {
                        feed.settled = generation;
                    }
                    Ok(())
                })
                .await?;
        }
        self.remove_older_generations(&definition).await;
        Ok(self.shown(&definition))
    }

    /// The holder needs no changes any more.
    pub(crate) async fn release_capture(&self, holder: &CaptureHolder) -> Result<StoreRecord> {
        self.check_writable(RELEASE)?;
        let mut ended = None;
        let definition = self
            .change_definition(RELEASE, |definition| {
                let ends = definition.capture.release(holder);
                ended = ends.then_some(definition.capture.generation);
                Ok(())
            })
            .await?;
        if let Some(generation) = ended {
            self.remove_generation(generation).await;
        }
        Ok(self.shown(&definition))
    }

    /// Refuses a store of a layout that keeps no changes.
    pub(super) fn check_feed_layout(
        &self,
        operation: &'static str,
        definition: &Definition,
    ) -> Result<()> {
        let layout = definition.layout_version;
        if layout < FEED_LAYOUT {
            return Err(layout_without_changes(operation, &self.location, layout));
        }
        Ok(())
    }

    /// A load writes by requests that cannot be captured.
    fn check_nothing_loads(&self, definition: &Definition) -> Result<()> {
        let Some(name) = definition.loads.keys().next() else { return Ok(()) };
        let why = "a collection is being loaded by another run, and a load is not captured";
        Err(Error::new(ErrorKind::Unavailable, HOLD, why)
            .with("store", &self.location)
            .with("collection", name)
            .hint("wait for that run to end, or prepare the collection to take it over"))
    }

    /// Makes the table of the changes. The store's record says that it is ours before
    /// it is made.
    pub(super) async fn prepare_feed_table(&self, operation: &'static str) -> Result<()> {
        let Some(found) = self.read_definition(operation).await? else {
            return Err(never_prepared(operation, &self.location));
        };
        self.check_feed_layout(operation, &found.definition)?;
        let mut known = found.definition.feed.is_some();
        let mut table = self.describe(operation, &self.feed_table).await?;
        if table.is_some() && !known {
            // Somebody may be making it at this moment.
            let again = self.read_definition(operation).await?;
            known = again.is_some_and(|found| found.definition.feed.is_some());
            if !known {
                return Err(self.foreign(operation, &self.feed_table));
            }
        }
        if !known {
            self.change_definition(operation, |definition| {
                self.check_feed_layout(operation, definition)?;
                definition.feed.get_or_insert_with(|| FeedDefinition {
                    oldest: 1,
                    trimmed: vec![0; SHARDS],
                    ..FeedDefinition::default()
                });
                Ok(())
            })
            .await?;
        }
        if table.is_none() {
            self.create_feed_table().await?;
            table = self.describe(operation, &self.feed_table).await?;
        }
        match table {
            Some(found) => {
                self.check_feed_keys(&found)?;
                self.wait_for(&self.feed_table, crate::tables::is_active).await
            }
            None => Err(self.foreign(operation, &self.feed_table)),
        }
    }
}
