//! What of the archive is not done yet, in batches that fit one commit.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use repo_core::strategy::{Capabilities, Record};
use repo_core::{CollectionName, Document, Result};

use crate::archive::Archive;

/// The records of the archive that are not done yet.
pub(crate) struct Rest {
    stream: BoxStream<'static, Result<Vec<Record>>>,
    read: VecDeque<Record>,
}

impl Rest {
    /// All but the first `done` records.
    pub(crate) fn after(
        done: u64,
        archive: &Archive,
        name: &CollectionName,
        batch_size: NonZeroUsize,
    ) -> Result<Self> {
        let stream = archive.records_after(name, done, batch_size)?;
        Ok(Self { stream, read: VecDeque::new() })
    }

    /// Puts records back, in their order, in front of all others.
    pub(crate) fn put_back(&mut self, records: Vec<Record>) {
        records.into_iter().rev().for_each(|record| self.read.push_front(record));
    }

    /// The next records that fit one commit.
    pub(crate) async fn next(
        &mut self,
        limits: &Capabilities,
        batch_size: NonZeroUsize,
    ) -> Result<Vec<Record>> {
        let most = limits.max_commit_keys.unwrap_or(usize::MAX).min(batch_size.get()).max(1);
        // Documents may grow, and a store adds to them what it needs itself.
        let room = limits.max_commit_bytes.map_or(usize::MAX, |bytes| bytes / 3);
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while batch.len() < most && self.fill().await? {
            let Some(record) = self.read.front() else { break };
            bytes = bytes.saturating_add(record.document().map_or(0, Document::size));
            if bytes > room && !batch.is_empty() {
                break;
            }
            batch.extend(self.read.pop_front());
        }
        Ok(batch)
    }

    /// So many of the next records.
    pub(crate) async fn take(&mut self, count: u64) -> Result<Vec<Record>> {
        let mut batch = Vec::new();
        while (batch.len() as u64) < count && self.fill().await? {
            batch.extend(self.read.pop_front());
        }
        Ok(batch)
    }

    /// Whether there is a next record.
    async fn fill(&mut self) -> Result<bool> {
        while self.read.is_empty() {
            match self.stream.try_next().await? {
                Some(records) => self.read.extend(records),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
