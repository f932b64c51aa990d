//! What one transaction holds, and the refusal of what is more.

use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;
use repo_core::{Change, Error, ErrorKind, Result, Write};

use crate::cache::{Recorded, Table};
use crate::item::{check_size, item_bytes};
use crate::value::bytes_of;

/// Most actions in one transaction (Amazon DynamoDB API Reference,
/// `TransactWriteItems`).
pub(crate) const MAX_ACTIONS: usize = 100;
/// Most bytes of items in one transaction; DynamoDB says 4 MB.
const MAX_COMMIT_BYTES: usize = 4_000_000;
/// Most bytes of what captures one write: a key of 1,068 bytes, and its place.
const CAPTURED_BYTES: usize = 1_300;

/// Most keys of a commit all of whose writes are recorded like this.
pub(crate) fn most_keys(recorded: Recorded) -> usize {
    MAX_ACTIONS / recorded.items_of_a_write()
}

/// Most bytes of the documents of a commit. Where what they replace is kept, as much is
/// left for that.
pub(crate) fn most_bytes(recorded: Recorded) -> usize {
    if recorded.keeps { MAX_COMMIT_BYTES / 2 } else { MAX_COMMIT_BYTES }
}

/// Refuses what one transaction cannot hold, before anything is sent.
pub(crate) fn check_limits(writes: &[Write], tables: &[Arc<Table>]) -> Result<()> {
    let (mut actions, mut bytes) = (0, 0);
    for (write, table) in writes.iter().zip(tables) {
        let size = match &write.change {
            Change::Put(document) => check_size("commit", &table.layout, &write.key.id, document)?,
            _ => item_bytes(&table.layout, &write.key.id, None),
        };
        bytes += size;
        actions += 1;
        if !matches!(write.change, Change::Check) {
            actions += table.recorded().items_of_a_write() - 1;
            bytes += table.capture.map_or(0, |_| CAPTURED_BYTES);
        }
    }
    check_actions(actions, writes.len(), tables.iter().map(|table| &**table))?;
    if writes.len() > 1 && bytes > MAX_COMMIT_BYTES {
        return Err(exceeded("DynamoDB commits at most 4 MB at once".to_owned(), MAX_COMMIT_BYTES)
            .with("bytes", bytes));
    }
    Ok(())
}

/// Refuses a transaction of more than 100 actions.
pub(crate) fn check_actions<'a>(
    actions: usize,
    keys: usize,
    tables: impl Iterator<Item = &'a Table>,
) -> Result<()> {
    if actions <= MAX_ACTIONS {
        return Ok(());
    }
    let none = Recorded { captures: false, keeps: false };
    let recorded = tables.map(Table::recorded).fold(none, |all, one| Recorded {
        captures: all.captures || one.captures,
        keeps: all.keeps || one.keeps,
    });
    let while_what = match (recorded.captures, recorded.keeps) {
        (false, false) => "",
        (true, false) => "while changes are captured, ",
        (false, true) => "while the history is kept, ",
        (true, true) => "while changes are captured and the history is kept, ",
    };
    let most = most_keys(recorded);
    let what = format!("{while_what}DynamoDB commits at most {most} keys at once");
    Err(exceeded(what, most).with("keys", keys))
}

/// Refuses a transaction whose items are too large together with what they replace.
pub(crate) fn check_bytes(requests: &[TransactWriteItem]) -> Result<()> {
    let items = requests.iter().filter_map(|request| request.put.as_ref());
    let bytes: usize = items.map(|put| bytes_of(&put.item)).sum();
    if bytes <= MAX_COMMIT_BYTES {
        return Ok(());
    }
    let what = "DynamoDB commits at most 4 MB at once, and what is replaced counts where its \
                history is kept";
    Err(exceeded(what.to_owned(), MAX_COMMIT_BYTES).with("bytes", bytes))
}

fn exceeded(what: String, limit: usize) -> Error {
    Error::new(ErrorKind::LimitExceeded, "commit", what)
        .with("limit", limit)
        .hint("divide the writes into several commits")
}
