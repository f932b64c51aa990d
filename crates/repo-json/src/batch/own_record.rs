//! Changes of what the store keeps of itself: its record, its change feed, the
//! engine's own items.

use repo_core::strategy::{
    Capture, FeedPosition, FeedState, HistoryState, RoleState, StoreRecord, StoreUpdate,
    SystemWrite, check_job, check_new_id,
};
use repo_core::{CollectionName, Result};

use super::Batch;
use crate::feed_record::FeedRecord;
use crate::journal::{Op, push_op};
use crate::names::{KEEP_HISTORY, TRIM_FEED, WRITE_ITEMS};
use crate::store::collection;

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
                push_op(&mut self.payload, &Op::Job(job.clone()));
                record.job = job;
            }
            StoreUpdate::HoldCapture(holder) => {
                let (mut feed, head) = self.feed("capture changes")?;
                if feed.capture.hold(holder) {
                    // No journal before this one is kept.
                    feed.trim(head.max(feed.base));
                }
                record.capture = self.set_feed(feed);
            }
            StoreUpdate::ReleaseCapture(holder) if self.state.feed.is_some() => {
                let (mut feed, head) = self.feed("capture changes")?;
                if feed.capture.release(&holder) {
                    feed.trim(head);
                    self.frees_files = true;
                }
                record.capture = self.set_feed(feed);
            }
            // Nothing was ever captured.
            StoreUpdate::ReleaseCapture(_) => {}
            StoreUpdate::History { collection, expected, history } => {
                self.change_history(record, collection, expected, history)?;
            }
            StoreUpdate::Role(change) => {
                self.feed("change the role of the store")?;
                change.check(&record.role, record.id, record.job.as_ref())?;
                record.role.clone_from(&change.next);
                push_op(&mut self.payload, &Op::Role(Box::new(change.next)));
            }
            StoreUpdate::Id { expected, id } => {
                check_new_id(record.id, record.job.as_ref(), expected)?;
                push_op(&mut self.payload, &Op::Id(id));
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
        collection(self.env, self.state, "raise a floor", &name)?;
        let state = record.collections.entry(name.clone()).or_default();
        if floor > state.floor {
            state.floor = floor;
            push_op(&mut self.payload, &Op::Floor { collection: name.as_str(), floor });
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
        collection(self.env, self.state, KEEP_HISTORY, &name)?;
        self.state.feed(self.env, KEEP_HISTORY)?;
        let before = record.history.get(&name).copied();
        let history = HistoryState::replace(before, expected, next)?;
        if history != before {
            push_op(&mut self.payload, &Op::History { collection: name.as_str(), history });
        }
        match history {
            Some(history) => {
                record.history.insert(name, history);
            }
            None => self.frees_files |= record.history.remove(&name).is_some(),
        }
        Ok(())
    }

    /// What is known of the change feed, and where it ends before this frame.
    fn feed(&self, operation: &'static str) -> Result<(FeedRecord, u64)> {
        let found = self.state.feed(self.env, operation)?;
        let head = found.head.first().copied().unwrap_or_default();
        Ok((self.feed.clone().or_else(|| self.state.feed.clone()).unwrap_or_default(), head))
    }

    fn set_feed(&mut self, feed: FeedRecord) -> Capture {
        let capture = feed.capture.clone();
        if self.feed.as_ref().or(self.state.feed.as_ref()) != Some(&feed) {
            let op = Op::Capture { capture: capture.clone(), trimmed: feed.trimmed };
            push_op(&mut self.payload, &op);
            self.feed = Some(feed);
        }
        capture
    }

    /// Changes items of the engine's own. On an error nothing of them is in the batch.
    pub(crate) fn write_items(&mut self, writes: Vec<SystemWrite>) -> Result<()> {
        self.state.feed(self.env, WRITE_ITEMS)?;
        SystemWrite::check_all(&writes)?;
        let works_for = self.env.options.works_for;
        self.role().check_items(&writes, WRITE_ITEMS, &self.env.location, works_for)?;
        for write in &writes {
            let stored = match self.items.get(&(write.collection, write.key.clone())) {
                Some(pending) => pending.as_deref(),
                None => self.state.items.get(write.collection, &write.key),
            };
            write.check_stored(stored)?;
        }
        for SystemWrite { collection, key, value, .. } in writes {
            let (of, value_now) = (collection.as_str(), value.as_deref());
            push_op(&mut self.payload, &Op::Item { collection: of, key: &key, value: value_now });
            self.items.insert((collection, key), value);
        }
        Ok(())
    }

    /// Removes the changes up to a position.
    pub(crate) fn trim(&mut self, through: &FeedPosition) -> Result<()> {
        let (mut feed, _) = self.feed(TRIM_FEED)?;
        let state = FeedState {
            capture: feed.capture.clone(),
            trimmed: vec![feed.trimmed],
            ..self.state.feed(self.env, TRIM_FEED)?
        };
        feed.trimmed = state.trim(through)?.first().copied().unwrap_or(feed.trimmed);
        self.set_feed(feed);
        Ok(())
    }
}
