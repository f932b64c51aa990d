//! What a write adds to the feed: beside it, or late.

use aws_sdk_dynamodb::types::TransactWriteItem;
use repo_core::{Error, ErrorKind, Key, Result};

use super::item::{Captured, Mark};
use crate::cache::Table;
use crate::item::number;
use crate::layout::{PURGED, VERSION};
use crate::retry::contention;
use crate::shared::Shared;
use crate::single::Terms;
use crate::transact::{Condition, FAILED, has};

impl Shared {
    /// The action of a transaction that captures one of its writes.
    pub(crate) fn capture_action(
        &self,
        generation: u64,
        key: &Key,
        mark: Mark,
    ) -> Result<TransactWriteItem> {
        let captured = Captured { key: key.clone(), mark };
        self.store_action("commit", &self.feed_table, captured.inbox_item(generation), None)
    }

    /// Captures a write that was done by a record of the store from before the
    /// capture.
    ///
    /// # Errors
    /// `OutcomeUnknown` when the record was written again meanwhile: the feed may hold
    /// the later version already, and must not go back.
    pub(crate) async fn capture_late(
        &self,
        generation: u64,
        table: &Table,
        key: &Key,
        mark: Mark,
    ) -> Result<()> {
        let requests = [
            self.check_action("commit", &table.layout, &key.id, still_at(mark))?,
            self.capture_action(generation, key, mark)?,
        ];
        let mut delays = backon::BackoffBuilder::build(contention(self.patience));
        loop {
            let reasons = self.transact("commit", &self.feed_table, &requests).await?;
            let Some(reasons) = reasons else { return Ok(()) };
            let why = match (has(&reasons, FAILED), delays.next()) {
                (true, _) => "the record was written again meanwhile",
                (false, Some(delay)) => {
                    tokio::time::sleep(delay).await;
                    continue;
                }
                (false, None) => "other writers hold this record",
            };
            return Err(Error::new(ErrorKind::OutcomeUnknown, "commit", why));
        }
    }
}

/// The condition that the record is as the write left it.
fn still_at(mark: Mark) -> Condition {
    let mut terms = Terms::default();
    let (version, purged) = (terms.name(VERSION), terms.name(PURGED));
    let expected = terms.value(number(mark.version));
    (format!("{version} = {expected} AND attribute_not_exists({purged})"), terms)
}
