//! What the store holds, and what it keeps of itself.

use std::collections::BTreeMap;

use super::change_log::ChangeLog;
use super::table::Table;
use crate::strategy::{
    FeedState, HistoryState, RoleState, StoreId, StoreRecord, StoreUpdate, SystemItemMap,
    UnfinishedJob, check_job, check_new_id, never_prepared, not_prepared,
};
use crate::{CollectionName, CollectionSchema, Result};

#[derive(Debug, Default)]
pub(super) struct State {
    /// Made by the first `prepare`.
    pub(super) id: Option<StoreId>,
    pub(super) tables: BTreeMap<CollectionName, Table>,
    pub(super) job: Option<UnfinishedJob>,
    pub(super) role: RoleState,
    pub(super) log: ChangeLog,
    pub(super) items: SystemItemMap,
}

impl State {
    pub(super) fn table(&self, operation: &'static str, name: &CollectionName) -> Result<&Table> {
        self.tables
            .get(name)
            .ok_or_else(|| not_prepared(operation, name, "memory", self.tables.keys()))
    }

    pub(super) fn table_mut(
        &mut self,
        operation: &'static str,
        name: &CollectionName,
    ) -> Result<&mut Table> {
        if !self.tables.contains_key(name) {
            return Err(not_prepared(operation, name, "memory", self.tables.keys()));
        }
        self.tables
            .get_mut(name)
            .ok_or_else(|| not_prepared(operation, name, "memory", std::iter::empty()))
    }

    pub(super) fn record(&self) -> StoreRecord {
        StoreRecord::new(3)
            .with_id(self.id)
            .with_collections(self.tables.iter().map(|(name, t)| (name.clone(), t.state)).collect())
            .with_job(self.job.clone())
            .with_role(self.role.clone())
            .with_capture(self.log.capture.clone())
            .with_history(self.tables.iter().filter_map(history).collect())
    }

    /// Whether `prepare` has nothing to do for a schema.
    pub(super) fn is_prepared(&self, schema: &CollectionSchema) -> bool {
        self.tables.get(&schema.collection).is_some_and(|table| table.schema == *schema)
    }

    /// Changes what the store keeps of itself.
    pub(super) fn update(&mut self, update: StoreUpdate) -> Result<()> {
        match update {
            StoreUpdate::RaiseFloor { collection, floor } => {
                let table = self.table_mut("raise a floor", &collection)?;
                table.state.floor = table.state.floor.max(floor);
            }
            StoreUpdate::Job { expected, job } => {
                check_job(self.job.as_ref(), expected.as_ref())?;
                self.job = job;
            }
            StoreUpdate::Id { expected, id } => {
                check_new_id(self.id, self.job.as_ref(), expected)?;
                self.id = Some(id);
            }
            StoreUpdate::HoldCapture(holder) => {
                self.feed("capture changes")?;
                self.log.hold(holder);
            }
            StoreUpdate::ReleaseCapture(holder) => self.log.release(&holder),
            StoreUpdate::History { collection, expected, history } => {
                let table = self.table_mut("keep the history", &collection)?;
                table.set_history(HistoryState::replace(table.history, expected, history)?);
            }
            StoreUpdate::Role(change) => {
                change.check(&self.role, self.id, self.job.as_ref())?;
                self.role = change.next;
            }
        }
        Ok(())
    }

    /// The feed of a prepared store.
    pub(super) fn feed(&self, operation: &'static str) -> Result<FeedState> {
        let id = self.id.ok_or_else(|| never_prepared(operation, "memory"))?;
        Ok(self.log.state(id))
    }
}

fn history((name, table): (&CollectionName, &Table)) -> Option<(CollectionName, HistoryState)> {
    table.history.map(|kept| (name.clone(), kept))
}
