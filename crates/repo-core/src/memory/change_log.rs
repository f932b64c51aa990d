//! What was written while capture is on.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::strategy::{
    Capture, CaptureHolder, CapturedWrite, FeedPosition, FeedState, Record, StoreId,
};
use crate::{Key, Result, Version};

/// The captured writes, numbered from 1 on over all generations.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    pub(super) capture: Capture,
    writes: VecDeque<(Key, Version, bool)>,
    /// How many were removed from the front.
    trimmed: u64,
}

impl ChangeLog {
    pub(super) fn hold(&mut self, holder: CaptureHolder) {
        self.capture.hold(holder);
    }

    pub(super) fn release(&mut self, holder: &CaptureHolder) {
        if self.capture.release(holder) {
            self.remove(self.writes.len());
        }
    }

    pub(super) fn note(&mut self, record: &Record) {
        if self.capture.is_on() {
            self.writes.push_back((record.key(), record.version(), !record.is_live()));
        }
    }

    pub(super) fn state(&self, store: StoreId) -> FeedState {
        FeedState {
            store,
            capture: self.capture.clone(),
            trimmed: vec![self.trimmed],
            head: vec![self.trimmed + self.writes.len() as u64],
        }
    }

    /// At most `most` writes after a position, and where to read on.
    pub(super) fn read(
        &self,
        state: &FeedState,
        after: Option<&FeedPosition>,
        most: NonZeroUsize,
    ) -> Result<(Vec<CapturedWrite>, FeedPosition)> {
        let mut at = state.start(after)?[0];
        let skipped = usize::try_from(at - self.trimmed).unwrap_or(usize::MAX);
        let mut writes = Vec::new();
        for (key, version, deleted) in self.writes.iter().skip(skipped).take(most.get()) {
            at += 1;
            writes.push(CapturedWrite {
                position: state.position(vec![at]),
                key: key.clone(),
                version: *version,
                deleted: *deleted,
            });
        }
        Ok((writes, state.position(vec![at])))
    }

    pub(super) fn trim(&mut self, state: &FeedState, through: &FeedPosition) -> Result<()> {
        let gone = state.trim(through)?[0] - self.trimmed;
        self.remove(usize::try_from(gone).unwrap_or(usize::MAX));
        Ok(())
    }

    fn remove(&mut self, count: usize) {
        let count = count.min(self.writes.len());
        self.writes.drain(..count);
        self.trimmed += count as u64;
    }
}
