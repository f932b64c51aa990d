//! Removing old tombstones, so that a version never falls.
//!
//! Another handle may write by a floor that it read up to a lease ago. If a
//! tombstone simply vanished, such a writer could give its id a version below
//! the one that was there. So a purged tombstone first becomes a bare item
//! that holds the new floor as its version and is no record for any reader;
//! writers count on from it whatever floor they know. Only a later purge,
//! after [`GRACE`], deletes it: no handle knows a floor that old, and no
//! signed request lives that long.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{HistoryState, Purged, Record, Segment, check_purge};
use repo_core::{CollectionName, EntityId, Result, Timestamp, Version};

use crate::cache::Table;
use crate::definition::Definition;
use crate::item::{self, Item, State, id_of, number, record_of};
use crate::layout::{CREATED, PURGED, VERSION};
use crate::retry::patiently;
use crate::scan::{PAGE_ITEMS, ScanPage, ScannedItems};
use crate::shared::Shared;
use crate::single::Terms;

/// How long what remains of a purged tombstone stays. AWS takes a signed
/// request for at most 15 minutes, with clocks that differ as much.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Requests under way at the same time.
const REQUESTS_AT_ONCE: usize = 32;

/// What a purge does with one item.
enum Step {
    /// A tombstone that goes.
    Remove(EntityId, Version),
    /// What remains of one purged long ago.
    Forget(EntityId, Version),
}

impl Shared {
    /// Removes tombstones written before `older_than`.
    pub(crate) async fn purge(
        &self,
        collection: &CollectionName,
        older_than: Timestamp,
    ) -> Result<Purged> {
        self.end_own_load("purge", collection).await?;
        let table = self.fresh_table("purge", collection).await?;
        let since = |since: Option<Timestamp>| {
            let kept = since.map(HistoryState::new);
            HistoryState::purgeable(kept.as_ref(), older_than)
        };
        let older_than = since(table.history.map(|history| history.since));
        let highest = self.highest_purgeable(&table, older_than).await?;
        let definition = self
            .change_definition("purge", |definition| {
                raise_floor(self, definition, collection, highest)
            })
            .await?;
        let floor = definition.collections.get(collection).map_or(0, |c| c.floor);
        // One may have begun meanwhile.
        let older_than = since(definition.history(collection).map(|kept| kept.state.since));
        let removed = self.remove(&table, older_than, floor).await?;
        Ok(Purged::new(removed, floor))
    }

    /// The highest version among the tombstones that are old enough.
    async fn highest_purgeable(&self, table: &Table, older_than: Timestamp) -> Result<u64> {
        let (mut highest, mut start) = (0, None);
        loop {
            let answer = self.dead_page(table, start.as_ref()).await?;
            for item in answer.0 {
                if let Some(Record::Tombstone(tombstone)) = record_of(&table.layout, &item)?
                    && tombstone.deleted_at < older_than
                {
                    highest = highest.max(tombstone.version.get());
                }
            }
            match answer.1 {
                Some(key) => start = Some(key),
                None => return Ok(highest),
            }
        }
    }

    /// Removes the tombstones that are old enough and not above the floor.
    async fn remove(&self, table: &Table, older_than: Timestamp, floor: u64) -> Result<u64> {
        let (mut removed, mut start) = (0, None);
        let now = seconds(SystemTime::now());
        loop {
            let (items, next) = self.dead_page(table, start.as_ref()).await?;
            let mut steps = Vec::with_capacity(items.len());
            for item in items {
                steps.extend(step(table, &item, older_than, floor, now)?);
            }
            if steps.iter().any(|step| matches!(step, Step::Remove(..))) {
                // The deletes of these tombstones get their places before the tombstones
                // go: afterwards a lower version may be stored, and comes later.
                self.put_feed_in_order("purge").await?;
            }
            let done =
                stream::iter(steps.into_iter().map(|step| self.take(table, step, floor, now)));
            let done: Vec<bool> = done.buffer_unordered(REQUESTS_AT_ONCE).try_collect().await?;
            removed += done.into_iter().filter(|removed| *removed).count() as u64;
            match next {
                Some(key) => start = Some(key),
                None => return Ok(removed),
            }
        }
    }

    /// A page of items that are not live.
    async fn dead_page(
        &self,
        table: &Table,
        start: Option<&Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        self.check_open("purge")?;
        let page = ScanPage {
            kept: ScannedItems::Dead,
            segment: Segment::ALL,
            strong: true,
            most: PAGE_ITEMS,
            count_only: false,
        };
        let answer = self.scan_page("purge", table, page, start).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// Does a step; whether it removed a tombstone.
    async fn take(&self, table: &Table, step: Step, floor: u64, now: u64) -> Result<bool> {
        match step {
            Step::Remove(id, version) => self.remove_one(table, &id, version, floor, now).await,
            Step::Forget(id, left) => self.forget(table, &id, left).await.map(|()| false),
        }
    }

    /// Turns a tombstone of this version into a bare item.
    async fn remove_one(
        &self,
        table: &Table,
        id: &EntityId,
        version: Version,
        floor: u64,
        now: u64,
    ) -> Result<bool> {
        let mut terms = Terms::default();
        let (name, purged) = (terms.name(VERSION), terms.name(PURGED));
        let (floor, now) = (terms.value(number(floor)), terms.value(number(now)));
        let update = format!("SET {name} = {floor}, {purged} = {now}");
        let condition = format!(
            "{name} = {} AND attribute_not_exists({purged}) AND attribute_not_exists({})",
            terms.value(number(version)),
            terms.name(CREATED)
        );
        let scene = self.repeatable("purge", &table.layout.table);
        patiently(self.patience, || async {
            let request = self
                .client
                .update_item()
                .table_name(&table.layout.table)
                .set_key(Some(item::key(&table.layout, id)))
                .update_expression(&update)
                .condition_expression(&condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values());
            match request.send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }

    /// Deletes what remains of a tombstone.
    async fn forget(&self, table: &Table, id: &EntityId, left: Version) -> Result<()> {
        let mut terms = Terms::default();
        let condition = format!(
            "attribute_exists({}) AND {} = {}",
            terms.name(PURGED),
            terms.name(VERSION),
            terms.value(number(left))
        );
        let scene = self.repeatable("purge", &table.layout.table);
        patiently(self.patience, || async {
            let request = self
                .client
                .delete_item()
                .table_name(&table.layout.table)
                .set_key(Some(item::key(&table.layout, id)))
                .condition_expression(&condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values());
            match request.send().await {
                Ok(_) => Ok(()),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                    _ => Err(scene.failure(&error)),
                },
            }
        })
        .await
    }
}

/// Raises the floor, unless a migration is unfinished.
fn raise_floor(
    shared: &Shared,
    definition: &mut Definition,
    collection: &CollectionName,
    highest: u64,
) -> Result<()> {
    check_purge(definition.job.as_ref(), collection)?;
    definition.role.check_rebuild("purge", &shared.location, shared.options.works_for)?;
    let found = definition.collections.get_mut(collection);
    let found = found.ok_or_else(|| shared.unknown("purge", collection))?;
    found.floor = found.floor.max(highest);
    Ok(())
}

/// What is to be done with an item that is not live.
fn step(
    table: &Table,
    item: &Item,
    older_than: Timestamp,
    floor: u64,
    now: u64,
) -> Result<Option<Step>> {
    let id = id_of(&table.layout, item)?;
    if let State::Purged(left) = State::of(&table.layout, Some(item))? {
        let since = match item.get(PURGED) {
            Some(AttributeValue::N(text)) => text.parse().unwrap_or(now),
            _ => now,
        };
        let old = now.saturating_sub(since) >= GRACE.as_secs();
        return Ok(old.then_some(Step::Forget(id, left)));
    }
    Ok(match record_of(&table.layout, item)? {
        Some(Record::Tombstone(tombstone))
            if tombstone.deleted_at < older_than && tombstone.version.get() <= floor =>
        {
            Some(Step::Remove(id, tombstone.version))
        }
        _ => None,
    })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
