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

use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use repo_core::strategy::{Record, Tombstone};
use repo_core::{Change, Entity, EntityId, Error, Result, Timestamp, Version, Write, Written};

use crate::cache::Table;
use crate::feed::Mark;
use crate::get::Wanted;
use crate::history::{Done, Replaced};
use crate::item::{self, Item, State};
use crate::layout::UPDATED;
use crate::limits::{check_actions, check_bytes, check_limits};
use crate::retry::contention;
use crate::shared::Shared;
use crate::transact::{FAILED, unchanged};

/// One write with what is known of its key.
struct Planned<'a> {
    write: &'a Write,
    table: Arc<Table>,
    state: State,
    /// Without its document where no history is kept.
    item: Option<Item>,
}

impl Shared {
    /// Does all writes or none.
    pub(crate) async fn commit(&self, writes: &[Write]) -> Result<Vec<Written>> {
        let mut tables = Vec::with_capacity(writes.len());
        for write in writes {
            tables.push(self.table_to_write("commit", &write.key.collection).await?);
        }
        let most = self.options.max_entity_bytes;
        for (write, table) in writes.iter().zip(&tables) {
            if let Change::Put(document) = &write.change {
                table.layout.schema.check_document(&write.key.id, document, most)?;
            }
        }
        check_limits(writes, &tables)?;
        let Some(first) = tables.first().map(Arc::clone) else { return Ok(Vec::new()) };
        let done = match (writes, tables.as_slice()) {
            ([write], [table]) if !matches!(write.change, Change::Check) => {
                self.write_one(Arc::clone(table), write).await.map(|written| vec![written])
            }
            _ => self.commit_many(writes, tables).await,
        };
        let nothing = |done: &[Written]| done.iter().all(|w| matches!(w, Written::Unchanged));
        match &done {
            Ok(written) if !nothing(written) => {}
            Err(error) if error.failed_preconditions().is_empty() => {}
            _ => self.check_answer(&first).await?,
        }
        done
    }

    pub(crate) async fn commit_many(
        &self,
        writes: &[Write],
        tables: Vec<Arc<Table>>,
    ) -> Result<Vec<Written>> {
        let now = self.options.clock.now();
        let mut planned = self.read_states(writes, tables).await?;
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            self.complete(&mut planned).await?;
            for plan in &planned {
                self.check_role("commit", &plan.table)?;
            }
            check_preconditions(&planned)?;
            let answers = answers(&planned, now)?;
            if let [Written::Unchanged] = answers[..] {
                return Ok(answers);
            }
            let requests = self.requests(&planned, &answers)?;
            if requests.is_empty() {
                return Ok(answers);
            }
            let first = &planned[0].table.layout.table;
            let Some(reasons) = self.transact("commit", first, &requests).await? else {
                self.settle_all(&planned, &answers).await?;
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
            for plan in &mut planned {
                self.renew_table("commit", &plan.write.key, &mut plan.table).await?;
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
        let mut items = self.fetch("commit", &keys, Wanted::State).await?;
        let mut planned = Vec::with_capacity(writes.len());
        for (write, table) in writes.iter().zip(tables) {
            let item = items.remove(&write.key);
            let state = State::of(&table.layout, item.as_ref())?;
            let table = self.up_to_date(table, write, item.as_ref()).await?;
            planned.push(Planned { write, table, state, item });
        }
        Ok(planned)
    }

    /// Reads again what a history that has begun meanwhile needs whole.
    async fn complete(&self, planned: &mut [Planned<'_>]) -> Result<()> {
        let lacking = |plan: &&mut Planned<'_>| {
            let lacks = plan.item.as_ref().is_some_and(|item| !item.contains_key(UPDATED));
            lacks && plan.table.history.is_some()
        };
        let lacking: Vec<_> = planned.iter_mut().filter(lacking).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let key = |plan: &&mut Planned<'_>| (Arc::clone(&plan.table), plan.write.key.id.clone());
        let keys: Vec<(Arc<Table>, EntityId)> = lacking.iter().map(key).collect();
        let mut items = self.fetch("commit", &keys, Wanted::State).await?;
        for plan in lacking {
            plan.item = items.remove(&plan.write.key);
            plan.state = State::of(&plan.table.layout, plan.item.as_ref())?;
        }
        Ok(())
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

    /// What the transaction holds: an action for each write, in their order, then what
    /// captures them and what they replace.
    fn requests(&self, planned: &[Planned], answers: &[Written]) -> Result<Vec<TransactWriteItem>> {
        let mut requests = Vec::with_capacity(planned.len());
        let mut beside = Vec::new();
        for (plan, answer) in planned.iter().zip(answers) {
            let layout = &plan.table.layout;
            let condition = unchanged(plan.state, layout.generation);
            requests.push(match plan.record(answer) {
                Some(record) => self.put_action("commit", layout, &record, condition)?,
                None => self.check_action("commit", layout, &plan.write.key.id, condition)?,
            });
            let Some(mark) = plan.mark(answer) else { continue };
            if let Some(generation) = plan.table.capture {
                beside.push(self.capture_action(generation, &plan.write.key, mark)?);
            }
            let Some(history) = plan.table.history else { continue };
            let key = &plan.write.key;
            if let Some(item) = &plan.item {
                beside.extend(self.keep_action("commit", history, key, item)?);
            }
            if let Some(by) = &plan.write.attribution {
                beside.push(self.attribute_action(history, key, mark.version, by)?);
            }
        }
        requests.extend(beside);
        let tables = || planned.iter().map(|plan| &*plan.table);
        check_actions(requests.len(), planned.len(), tables())?;
        if tables().any(|table| table.history.is_some()) {
            check_bytes(&requests)?;
        }
        Ok(requests)
    }

    /// Settles each write, also after one that fails.
    async fn settle_all(&self, planned: &[Planned<'_>], answers: &[Written]) -> Result<()> {
        let mut settled = Ok(());
        for (plan, answer) in planned.iter().zip(answers) {
            if let Some(mark) = plan.mark(answer) {
                let by = plan.write.attribution.as_deref();
                let done = Done { mark, replaced: plan.replaced(), by };
                settled = settled.and(self.settle(&plan.table, &plan.write.key, done).await);
            }
        }
        settled
    }

    /// Takes over the states that the conditions failed on.
    async fn learn(
        &self,
        planned: &mut [Planned<'_>],
        reasons: Vec<CancellationReason>,
    ) -> Result<()> {
        for (plan, reason) in planned.iter_mut().zip(reasons) {
            if reason.code() == Some(FAILED) {
                plan.item = reason.item;
                plan.state = State::of(&plan.table.layout, plan.item.as_ref())?;
                let table = Arc::clone(&plan.table);
                plan.table = self.up_to_date(table, plan.write, plan.item.as_ref()).await?;
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

    /// What the write does to its record; `None` when that is nothing.
    fn mark(&self, answer: &Written) -> Option<Mark> {
        let deleted = matches!(answer, Written::Deleted { .. });
        let mark = |version| Mark { version, deleted, before: self.state.recorded() };
        answer.version().map(mark)
    }

    /// What the write replaces.
    fn replaced(&self) -> Replaced<'_> {
        match &self.item {
            Some(item) if !item.contains_key(UPDATED) => Replaced::Version(self.state.recorded()),
            item => Replaced::Item(item.as_ref()),
        }
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
