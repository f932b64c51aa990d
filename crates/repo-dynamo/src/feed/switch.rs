//! Switching capture on and off.

use aws_sdk_dynamodb::types::ScalarAttributeType;
use repo_core::strategy::{CaptureHolder, StoreRecord};
use repo_core::{Error, ErrorKind, Result};

use super::SHARDS;
use crate::definition::{Definition, FeedDefinition};
use crate::layout::{PLACE_KEY, SHARD_KEY};
use crate::own_tables::OwnTable;
use crate::settle::SWITCH;
use crate::shared::Shared;
use crate::tables::Keys;

const HOLD: &str = "capture changes";
const RELEASE: &str = "end the capture of changes";

impl Shared {
    /// Captures writes for this holder.
    pub(crate) async fn hold_capture(&self, holder: &CaptureHolder) -> Result<StoreRecord> {
        self.check_writable(HOLD)?;
        self.prepare_feed_table(HOLD).await?;
        self.end_all_own_loads(HOLD).await?;
        let works_for = self.options.works_for;
        let mut definition = self
            .change_definition(HOLD, |definition| {
                definition.role.check_apply(HOLD, &self.location, works_for)?;
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

    /// A load writes by requests that cannot be captured.
    fn check_nothing_loads(&self, definition: &Definition) -> Result<()> {
        let Some(name) = definition.loads.keys().next() else { return Ok(()) };
        let why = "a collection is being loaded by another run, and a load is not captured";
        Err(Error::new(ErrorKind::Unavailable, HOLD, why)
            .with("store", &self.location)
            .with("collection", name)
            .hint("wait for that run to end, or prepare the collection to take it over"))
    }

    /// Makes the table of the changes.
    pub(super) async fn prepare_feed_table(&self, operation: &'static str) -> Result<()> {
        let range = (PLACE_KEY, ScalarAttributeType::S);
        let table = OwnTable {
            name: &self.feed_table,
            keys: Keys { hash: SHARD_KEY, range },
            is_known: |definition| definition.feed.is_some(),
            note: |definition| {
                let trimmed = vec![0; SHARDS];
                definition.feed =
                    Some(FeedDefinition { oldest: 1, trimmed, ..FeedDefinition::default() });
            },
        };
        self.prepare_own_table(operation, table).await
    }
}
