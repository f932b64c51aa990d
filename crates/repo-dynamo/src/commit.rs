//! Several writes: one `TransactWriteItems`, conditioned on the states read
//! before.
//!
//! The versions that the writes leave have to be known before they are sent.
//! So all keys are read, the preconditions checked on what was read, and the
//! transaction holds only if every record is still at that version. When
//! another writer was faster, the answer carries the records as they are, and
//! the commit is made again from those, without another read. Writers of the
//! same keys take turns with short random pauses, for 20 seconds at most. A
//! commit that fails on its first read names failures that may have been seen a
//! moment apart; each of them was true.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use repo_core::strategy::{Record, Tombstone};
use repo_core::{
    Change, Entity, EntityId, Error, ErrorKind, Result, Timestamp, Version, Write, Written,
};

use crate::cache::Table;
use crate::get::Wanted;
use crate::item::{self, Item, State, check_size, item_bytes, item_of, number};
use crate::layout::{PURGED, VERSION};
use crate::retry::{contention, patiently};
use crate::shared::Shared;
use crate::single::Terms;

/// Most keys in one transaction (Amazon DynamoDB API Reference,
/// `TransactWriteItems`).
pub(crate) const MAX_COMMIT_KEYS: usize = 100;
/// Most bytes of items in one transaction; DynamoDB says 4 MB.
pub(crate) const MAX_COMMIT_BYTES: usize = 4_000_000;

/// One write with what is known of its key.
struct Planned<'a> {
    write: &'a Write,
    table: Arc<Table>,
    state: State,
}

impl Shared {
    /// Does all writes or none.
    pub(crate) async fn commit(&self, writes: &[Write]) -> Result<Vec<Written>> {
        let mut tables = Vec::with_capacity(writes.len());
        for write in writes {
            tables.push(self.table("commit", &write.key.collection).await?);
        }
        let most = self.options.max_entity_bytes;
        for (write, table) in writes.iter().zip(&tables) {
            if let Change::Put(document) = &write.change {
                table.layout.schema.check_document(&write.key.id, document, most)?;
            }
        }
        check_limits(writes, &tables)?;
        match (writes, tables.as_slice()) {
            ([], _) => Ok(Vec::new()),
            ([write], [table]) if !matches!(write.change, Change::Check) => {
                self.write_one(Arc::clone(table), write).await.map(|written| vec![written])
            }
            _ => self.commit_many(writes, tables).await,
        }
    }

    async fn commit_many(&self, writes: &[Write], tables: Vec<Arc<Table>>) -> Result<Vec<Written>> {
        let now = self.options.clock.now();
        let mut planned = self.read_states(writes, tables).await?;
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            check_preconditions(&planned)?;
            let answers = answers(&planned, now)?;
            let requests = self.requests(&planned, &answers)?;
            if only_reads(writes) || requests.is_empty() {
                return Ok(answers);
            }
            let Some(reasons) = self.transact(&requests, &planned).await? else {
                for plan in &planned {
                    self.settle(&plan.table, &plan.write.key.id).await;
                }
                return Ok(answers);
            };
            self.learn(&mut planned, reasons).await?;
            match delays.next() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    let scene = self.repeatable("commit", &self.location);
                    return Err(scene.later("other writers hold these records").error);
                }
            }
        }
    }

    /// Reads the state of every key.
    async fn read_states<'a>(
        &self,
        writes: &'a [Write],
        tables: Vec<Arc<Table>>,
    ) -> Result<Vec<Planned<'a>>> {
        let keys: Vec<(Arc<Table>, EntityId)> = writes
            .iter()
            .zip(&tables)
            .map(|(write, table)| (Arc::clone(table), write.key.id.clone()))
            .collect();
        let items = self.fetch("commit", &keys, Wanted::State).await?;
        let mut planned = Vec::with_capacity(writes.len());
        for (write, table) in writes.iter().zip(tables) {
            let item = items.get(&write.key);
            let state = State::of(&table.layout, item)?;
            let table = self.up_to_date(table, write, item).await?;
            planned.push(Planned { write, table, state });
        }
        Ok(planned)
    }

    /// The table as the writer of an item knew it.
    async fn up_to_date(
        &self,
        table: Arc<Table>,
        write: &Write,
        item: Option<&Item>,
    ) -> Result<Arc<Table>> {
        if item.map_or(0, item::generation) > table.layout.generation {
            return self.fresh_table("commit", &write.key.collection).await;
        }
        Ok(table)
    }

    /// One request for each write that the transaction has to hold.
    fn requests(&self, planned: &[Planned], answers: &[Written]) -> Result<Vec<TransactWriteItem>> {
        let mut requests = Vec::with_capacity(planned.len());
        for (plan, answer) in planned.iter().zip(answers) {
            let record = plan.record(answer);
            let condition = plan.condition();
            let malformed =
                |source| self.repeatable("commit", &plan.table.layout.table).malformed(source);
            let request = TransactWriteItem::builder();
            requests.push(match record {
                Some(record) => {
                    let put = Put::builder()
                        .table_name(&plan.table.layout.table)
                        .set_item(Some(item_of(&plan.table.layout, &record)))
                        .condition_expression(condition.0)
                        .set_expression_attribute_names(condition.1.names())
                        .set_expression_attribute_values(condition.1.values())
                        .return_values_on_condition_check_failure(
                            ReturnValuesOnConditionCheckFailure::AllOld,
                        );
                    request.put(put.build().map_err(malformed)?).build()
                }
                None => {
                    let check = ConditionCheck::builder()
                        .table_name(&plan.table.layout.table)
                        .set_key(Some(item::key(&plan.table.layout, &plan.write.key.id)))
                        .condition_expression(condition.0)
                        .set_expression_attribute_names(condition.1.names())
                        .set_expression_attribute_values(condition.1.values())
                        .return_values_on_condition_check_failure(
                            ReturnValuesOnConditionCheckFailure::AllOld,
                        );
                    request.condition_check(check.build().map_err(malformed)?).build()
                }
            });
        }
        Ok(requests)
    }

    /// Sends the transaction. `None`: it was done. Otherwise why it was not,
    /// one reason for each request.
    ///
    /// A lost answer is resolved by sending the same request again: its token
    /// makes DynamoDB answer for what it has done already.
    async fn transact(
        &self,
        requests: &[TransactWriteItem],
        planned: &[Planned<'_>],
    ) -> Result<Option<Vec<CancellationReason>>> {
        let token = format!("{:032x}", fastrand::u128(..));
        let lost = std::sync::atomic::AtomicBool::new(false);
        let first = &planned[0].table.layout.table;
        let answer = patiently(self.patience, || async {
            let request = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(requests.to_vec()));
            let error = match request.send().await {
                Ok(_) => return Ok(None),
                Err(error) => error,
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                let reasons = canceled.cancellation_reasons.clone().unwrap_or_default();
                return self.canceled(first, reasons).map(Some);
            }
            let failure = self.repeatable("commit", first).failure(&error);
            let unknown = self.once("commit", first).failure(&error).error.kind();
            if unknown == ErrorKind::OutcomeUnknown {
                lost.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Err(failure)
        })
        .await;
        answer.map_err(|error| {
            let may_be_done = lost.into_inner() && error.kind() == ErrorKind::Unavailable;
            if may_be_done { error.into_kind(ErrorKind::OutcomeUnknown) } else { error }
        })
    }

    /// A canceled transaction: nothing of it was done.
    fn canceled(
        &self,
        table: &str,
        reasons: Vec<CancellationReason>,
    ) -> Result<Vec<CancellationReason>, crate::errors::Failure> {
        let scene = self.repeatable("commit", table);
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        if has("ConditionalCheckFailed") || has("TransactionConflict") {
            return Ok(reasons);
        }
        if has("ThrottlingError") || has("ProvisionedThroughputExceeded") {
            return Err(scene.later("DynamoDB throttles"));
        }
        Err(scene.canceled(&reasons).into())
    }

    /// Takes over the states that the conditions failed on.
    async fn learn(
        &self,
        planned: &mut [Planned<'_>],
        reasons: Vec<CancellationReason>,
    ) -> Result<()> {
        for (plan, reason) in planned.iter_mut().zip(reasons) {
            if reason.code() == Some("ConditionalCheckFailed") {
                plan.state = State::of(&plan.table.layout, reason.item.as_ref())?;
                let table = Arc::clone(&plan.table);
                plan.table = self.up_to_date(table, plan.write, reason.item.as_ref()).await?;
            }
        }
        Ok(())
    }
}

impl Planned<'_> {
    /// The record that the write leaves; `None` when it changes nothing.
    fn record(&self, answer: &Written) -> Option<Record> {
        let (collection, id) = (self.write.key.collection.clone(), self.write.key.id.clone());
        match (&self.write.change, *answer) {
            (Change::Put(document), Written::Put { version, created_at, updated_at }) => {
                let document = document.clone();
                let entity = Entity { collection, id, version, created_at, updated_at, document };
                Some(Record::Live(entity))
            }
            (_, Written::Deleted { version, deleted_at }) => {
                Some(Record::Tombstone(Tombstone { collection, id, version, deleted_at }))
            }
            _ => None,
        }
    }

    /// The condition that the record is as it was read, and that its indexes
    /// are known.
    fn condition(&self) -> (String, Terms) {
        let mut terms = Terms::default();
        let version = terms.name(VERSION);
        let unchanged = match self.state {
            State::Nothing => format!("attribute_not_exists({version})"),
            State::Purged(left) => {
                let (purged, left) = (terms.name(PURGED), terms.value(number(left)));
                format!("attribute_exists({purged}) AND {version} = {left}")
            }
            State::Tombstone(known) | State::Live(known, _) => {
                let (purged, known) = (terms.name(PURGED), terms.value(number(known)));
                format!("attribute_not_exists({purged}) AND {version} = {known}")
            }
        };
        let knows = terms.knows_indexes(self.table.layout.generation);
        (format!("{unchanged} AND {knows}"), terms)
    }

    /// The version that a write of this key gets.
    fn next_version(&self) -> Result<Version> {
        let next = match self.state {
            State::Tombstone(version) | State::Live(version, _) => version.next(),
            State::Nothing => Version::after(self.table.floor),
            // A purge on another handle may have raised the floor meanwhile.
            State::Purged(left) => Version::after(self.table.floor.max(left.get())),
        };
        next.map_err(|error| error.with("key", &self.write.key))
    }
}

fn only_reads(writes: &[Write]) -> bool {
    matches!(writes, [write] if matches!(write.change, Change::Check))
}

fn check_preconditions(planned: &[Planned]) -> Result<()> {
    let failed: Vec<_> =
        planned.iter().filter_map(|plan| plan.write.failure(plan.state.live())).collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::preconditions("commit", failed)) }
}

/// What each write answers if all of them are done.
fn answers(planned: &[Planned], now: Timestamp) -> Result<Vec<Written>> {
    let answer = |plan: &Planned| {
        Ok(match (&plan.write.change, plan.state) {
            (Change::Put(_), State::Live(_, created_at)) => {
                Written::Put { version: plan.next_version()?, created_at, updated_at: now }
            }
            (Change::Put(_), _) => {
                Written::Put { version: plan.next_version()?, created_at: now, updated_at: now }
            }
            (Change::Delete, State::Live(..)) => {
                Written::Deleted { version: plan.next_version()?, deleted_at: now }
            }
            _ => Written::Unchanged,
        })
    };
    planned.iter().map(answer).collect()
}

/// Refuses what one transaction cannot hold, before anything is sent.
fn check_limits(writes: &[Write], tables: &[Arc<Table>]) -> Result<()> {
    let exceeded = |what: &str, limit: usize| {
        Error::new(ErrorKind::LimitExceeded, "commit", what)
            .with("limit", limit)
            .hint("divide the writes into several commits")
    };
    if writes.len() > MAX_COMMIT_KEYS {
        return Err(exceeded("DynamoDB commits at most 100 keys at once", MAX_COMMIT_KEYS)
            .with("keys", writes.len()));
    }
    let mut bytes = 0;
    for (write, table) in writes.iter().zip(tables) {
        bytes += match &write.change {
            Change::Put(document) => check_size("commit", &table.layout, &write.key.id, document)?,
            _ => item_bytes(&table.layout, &write.key.id, None),
        };
    }
    if writes.len() > 1 && bytes > MAX_COMMIT_BYTES {
        return Err(exceeded("DynamoDB commits at most 4 MB at once", MAX_COMMIT_BYTES)
            .with("bytes", bytes));
    }
    Ok(())
}
