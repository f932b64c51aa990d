//! Changes of what the store keeps of itself: its record, its change feed, the engine's own
//! items.

use repo_core::strategy::{
    Capture, FeedPosition, FeedState, HistoryState, RoleState, StoreRecord, StoreUpdate,
    SystemWrite, check_job, check_new_id,
};
use repo_core::{CollectionName, Result};

use super::{Batch, Feed};
use crate::format::Op;
use crate::names::{KEEP_HISTORY, TRIM_FEED, WRITE_ITEMS};

impl Batch<'_> {
    /// Changes the store's own record.
    pub(crate) fn update(&mut self, update: StoreUpdate) -> Result<StoreRecord> {
        update.check_role(self.role(), &self.env.location, self.env.options.works_for)?;
        let mut record = self.record.take().unwrap_or_else(|| self.state.store_record());
        let changed = self.change_record(&mut record, update);
        self.record = Some(record.clone());
        changed.map(|()| record)
    }

    fn change_record(&mut self, record: &mut StoreRecord, update: StoreUpdate) -> Result<()> {
        match update {
            StoreUpdate::RaiseFloor { collection, floor } => {
                self.raise_floor(record, collection, floor)?;
            }
            StoreUpdate::Job { expected, job } => {
                check_job(record.job.as_ref(), expected.as_ref())?;
                if record.job != job {
                    self.ops.push((Op::Job(job.clone()), None));
                }
                record.job = job;
            }
            StoreUpdate::HoldCapture(holder) => {
                self.state.feed(self.env, "capture changes")?;
                let mut feed = self.feed();
                feed.capture.hold(holder);
                record.capture = self.set_feed(feed);
            }
            StoreUpdate::ReleaseCapture(holder) => {
                let mut feed = self.feed();
                if feed.capture.release(&holder) {
                    feed.trimmed = self.head;
                }
                record.capture = self.set_feed(feed);
            }
            StoreUpdate::History { collection, expected, history } => {
                self.change_history(record, collection, expected, history)?;
            }
            StoreUpdate::Role(change) => {
                change.check(&record.role, record.id, record.job.as_ref())?;
                if record.role != change.next {
                    self.ops.push((Op::Role(change.next.clone()), None));
                }
                record.role = change.next;
            }
            StoreUpdate::Id { expected, id } => {
                check_new_id(record.id, record.job.as_ref(), expected)?;
                self.ops.push((Op::Id(id), None));
                record.id = Some(id);
            }
        }
        Ok(())
    }

    /// The role of the store as the changes before have left it.
    pub(super) fn role(&self) -> &RoleState {
        self.record.as_ref().map_or(&self.state.role, |record| &record.role)
    }

    /// Whether the handle may write records with their versions.
    pub(super) fn check_apply(&self, operation: &'static str) -> Result<()> {
        self.role().check_apply(operation, &self.env.location, self.env.options.works_for)
    }

    fn raise_floor(
        &mut self,
        record: &mut StoreRecord,
        name: CollectionName,
        floor: u64,
    ) -> Result<()> {
        self.state.table(self.env, "raise a floor", &name)?;
        let state = record.collections.entry(name.clone()).or_default();
        if floor > state.floor {
            state.floor = floor;
            self.ops.push((Op::Floor { collection: name.clone(), floor }, None));
            self.floors.insert(name, floor);
        }
        Ok(())
    }

    /// Begins, changes or ends the history of a collection.
    fn change_history(
        &mut self,
        record: &mut StoreRecord,
        name: CollectionName,
        expected: Option<HistoryState>,
        next: Option<HistoryState>,
    ) -> Result<()> {
        self.state.table(self.env, KEEP_HISTORY, &name)?;
        let before = record.history.get(&name).copied();
        let history = HistoryState::replace(before, expected, next)?;
        if history != before {
            self.ops.push((Op::History { collection: name.clone(), history }, None));
        }
        match history {
            Some(history) => record.history.insert(name, history),
            None => record.history.remove(&name),
        };
        Ok(())
    }

    /// What is known of the change feed, as the changes before have left it.
    fn feed(&self) -> Feed {
        self.feed.clone().unwrap_or_else(|| Feed {
            capture: self.state.capture.clone(),
            trimmed: self.state.trimmed,
        })
    }

    fn set_feed(&mut self, feed: Feed) -> Capture {
        let capture = feed.capture.clone();
        if self.feed() != feed {
            let op = Op::Capture { capture: capture.clone(), trimmed: feed.trimmed };
            self.ops.push((op, None));
            self.feed = Some(feed);
        }
        capture
    }

    /// Changes items of the engine's own. On an error nothing of them is in the batch.
    pub(crate) fn write_items(&mut self, writes: &[SystemWrite]) -> Result<()> {
        self.state.feed(self.env, WRITE_ITEMS)?;
        SystemWrite::check_all(writes)?;
        let works_for = self.env.options.works_for;
        self.role().check_items(writes, WRITE_ITEMS, &self.env.location, works_for)?;
        for write in writes {
            let stored = match self.items.get(&(write.collection, write.key.clone())) {
                Some(pending) => pending.as_deref(),
                None => self.state.items.get(write.collection, &write.key),
            };
            write.check_stored(stored)?;
        }
        for SystemWrite { collection, key, value, .. } in writes {
            let of = collection.as_str().to_owned();
            let item = Op::Item { of, key: key.clone(), value: value.clone() };
            self.ops.push((item, None));
            self.items.insert((*collection, key.clone()), value.clone());
        }
        Ok(())
    }

    /// Removes the changes up to a position.
    pub(crate) fn trim(&mut self, through: &FeedPosition) -> Result<()> {
        let mut feed = self.feed();
        let state = FeedState {
            capture: feed.capture.clone(),
            trimmed: vec![feed.trimmed],
            head: vec![self.head],
            ..self.state.feed(self.env, TRIM_FEED)?
        };
        feed.trimmed = state.trim(through)?.first().copied().unwrap_or(feed.trimmed);
        self.set_feed(feed);
        Ok(())
    }
}
