//! `apply`: each record by a conditional `PutItem` of its own, or, while writes are
//! captured or their history is kept, by a read and a transaction. What is being loaded goes another way (see
//! `load`).

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::strategy::{Applied, Record};
use repo_core::{Key, Result, Version};

use crate::cache::Table;
use crate::feed::Mark;
use crate::history::{Done, Replaced};
use crate::item::{self, Item, State, check_size, item_of, number, record_of};
use crate::layout::{PURGED, VERSION};
use crate::retry::{contention, patiently};
use crate::shared::Shared;
use crate::single::Terms;
use crate::transact::unchanged;

/// Requests under way at the same time for one call.
const REQUESTS_AT_ONCE: usize = 32;
/// How often a record starts over because the indexes changed under it.
const ROUNDS: usize = 5;

/// The records of one key with their places, in the order in which they came.
type OfOneKey = (Arc<Table>, Vec<(usize, Record)>);

impl Shared {
    /// Writes each record whose version is higher than the stored one; the
    /// answers with their places.
    pub(crate) async fn apply_each(
        &self,
        records: Vec<(usize, Record)>,
    ) -> Result<Vec<(usize, Applied)>> {
        let groups = self.groups(records).await?;
        let done: Vec<Vec<_>> = stream::iter(groups.into_iter().map(|g| self.apply_group(g)))
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(done.into_iter().flatten().collect())
    }

    /// Checks every record, and puts those of one key together.
    async fn groups(&self, records: Vec<(usize, Record)>) -> Result<Vec<OfOneKey>> {
        let mut places: HashMap<Key, usize> = HashMap::with_capacity(records.len());
        let mut groups: Vec<OfOneKey> = Vec::with_capacity(records.len());
        for (at, record) in records {
            let table = match self.loaded_table(record.collection()).await {
                Some(table) => table,
                None => self.table_to_write("apply", record.collection()).await?,
            };
            self.check_record(&table, &record)?;
            let place = *places.entry(record.key()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, group)) => group.push((at, record)),
                None => groups.push((table, vec![(at, record)])),
            }
        }
        Ok(groups)
    }

    /// Refuses a document that breaks a rule.
    pub(crate) fn check_record(&self, table: &Table, record: &Record) -> Result<()> {
        let Record::Live(entity) = record else { return Ok(()) };
        let most = self.options.max_entity_bytes;
        table.layout.schema.check_document(&entity.id, &entity.document, most)?;
        check_size("apply", &table.layout, &entity.id, &entity.document).map(drop)
    }

    async fn apply_group(&self, group: OfOneKey) -> Result<Vec<(usize, Applied)>> {
        let (table, records) = group;
        let mut answers = Vec::with_capacity(records.len());
        for (at, record) in records {
            answers.push((at, self.apply_one(Arc::clone(&table), &record).await?));
        }
        Ok(answers)
    }

    async fn apply_one(&self, mut table: Arc<Table>, record: &Record) -> Result<Applied> {
        for _ in 0..ROUNDS {
            if table.is_recorded() {
                return self.apply_recorded(table, record).await;
            }
            self.check_role("apply", &table)?;
            let old = match self.put_if_newer(&table, record).await? {
                Sent::Done(old) => {
                    let replaced = Replaced::Item(old.as_ref());
                    let done = Done { mark: mark(record, None), replaced, by: None };
                    self.settle(&table, &record.key(), done).await?;
                    return Ok(Applied::Applied);
                }
                Sent::Refused(old) => old,
            };
            let stored = record_of(&table.layout, &old)?;
            match record.compare_to_stored(stored.as_ref()) {
                // It is newer, so the condition on the indexes failed.
                Applied::Applied if item::generation(&old) > table.layout.generation => {
                    table = self.fresh_table("apply", record.collection()).await?;
                }
                Applied::Applied => {}
                answer => return Ok(answer),
            }
        }
        let scene = self.repeatable("apply", &table.layout.table);
        Err(scene.later("the record keeps changing").error.with("key", record.key()))
    }

    /// Writes the record together with what captures it and what it replaces, if it is
    /// newer than the one that is read first.
    async fn apply_recorded(&self, mut table: Arc<Table>, record: &Record) -> Result<Applied> {
        let key = record.key();
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            self.check_role("apply", &table)?;
            let item = self.fetch_one("apply", &table, &key.id).await?;
            if item.as_ref().map_or(0, item::generation) > table.layout.generation {
                table = self.fresh_table("apply", &key.collection).await?;
            }
            let stored = item.as_ref().map(|item| record_of(&table.layout, item)).transpose()?;
            match record.compare_to_stored(stored.flatten().as_ref()) {
                Applied::Applied => {}
                answer => return Ok(answer),
            }
            let state = State::of(&table.layout, item.as_ref())?;
            let mark = mark(record, state.recorded());
            let condition = unchanged(state, table.layout.generation);
            let mut requests = vec![self.put_action("apply", &table.layout, record, condition)?];
            if let Some(generation) = table.capture {
                requests.push(self.capture_action(generation, &key, mark)?);
            }
            if let (Some(history), Some(item)) = (table.history, &item) {
                requests.extend(self.keep_action("apply", history, &key, item)?);
            }
            if self.transact("apply", &table.layout.table, &requests).await?.is_none() {
                let done = Done { mark, replaced: Replaced::Item(item.as_ref()), by: None };
                self.settle(&table, &key, done).await?;
                return Ok(Applied::Applied);
            }
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    let scene = self.repeatable("apply", &table.layout.table);
                    return Err(scene
                        .later("other writers hold this record")
                        .error
                        .with("key", key));
                }
            }
            self.renew_table("apply", &key, &mut table).await?;
        }
    }

    /// Writes the record, unless the stored item is not older.
    async fn put_if_newer(&self, table: &Table, record: &Record) -> Result<Sent> {
        let mut terms = Terms::default();
        let (name, purged) = (terms.name(VERSION), terms.name(PURGED));
        let version = terms.value(number(record.version()));
        let condition = format!(
            "(attribute_not_exists({name}) OR attribute_exists({purged}) OR {name} < {version}) \
             AND {}",
            terms.knows_indexes(table.layout.generation)
        );
        let item = item_of(&table.layout, record);
        let scene = self.repeatable("apply", &table.layout.table);
        patiently(self.patience, || async {
            let request = self
                .client
                .put_item()
                .table_name(&table.layout.table)
                .set_item(Some(item.clone()))
                .condition_expression(&condition)
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values())
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let error = match request.send().await {
                Ok(answer) => return Ok(Sent::Done(answer.attributes)),
                Err(error) => error,
            };
            if let Some(PutItemError::ConditionalCheckFailedException(refused)) =
                error.as_service_error()
            {
                let stored = refused.item.clone();
                let stored = stored.map(Sent::Refused);
                return stored.ok_or_else(|| scene.later("no stored item was named"));
            }
            Err(scene.failure(&error))
        })
        .await
    }
}

enum Sent {
    /// It was written, over this item.
    Done(Option<Item>),
    /// This item is not older.
    Refused(Item),
}

/// What an applied record does to the one that was there.
fn mark(record: &Record, before: Option<Version>) -> Mark {
    Mark { version: record.version(), deleted: !record.is_live(), before }
}
