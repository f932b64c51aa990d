//! How much one object of the log holds, and what a store can do.

use repo_core::strategy::{Capabilities, LevelCost, LevelCosts, OpenOptions, Record};
use repo_core::{Error, ErrorKind, Result, Write};

use crate::env::Env;
use crate::request::bytes_of;

/// Most bytes of documents in one commit.
const MAX_COMMIT_BYTES: usize = 8 * 1_024 * 1_024;
/// Bytes of documents that `apply` puts into one frame, about.
const APPLIED_BYTES: usize = 4 * 1_024 * 1_024;
/// Records that `apply` puts into one frame, at most.
const APPLIED: usize = 20_000;

/// What a store that is opened so can do. A segment of a scan costs more than its share: the
/// ranges that are read for it hold documents of the other ones.
pub(crate) fn capabilities(options: &OpenOptions) -> Capabilities {
    // A strong read asks for the next object of the log. A weaker one asks for none where what
    // the handle has seen is recent enough, or as much as the token names.
    let mut levels = LevelCosts::WEAK;
    levels.bounded_staleness = LevelCost::WeakRead;
    levels.at_least = LevelCost::WeakRead;
    Capabilities::new(options.max_entity_bytes.min(MAX_COMMIT_BYTES))
        .with_max_commit_bytes(Some(MAX_COMMIT_BYTES))
        .with_durable(true)
        .with_multi_process(true)
        .with_max_scan_segments(64)
        .with_changes(true)
        .with_history(true)
        .with_fence(true)
        .with_levels(levels)
        .with_read_only(options.read_only)
}

/// Refuses a commit of too many bytes.
///
/// # Errors
/// `LimitExceeded`.
pub(crate) fn check_commit(writes: &[Write]) -> Result<()> {
    let bytes = bytes_of(writes);
    if bytes <= MAX_COMMIT_BYTES {
        return Ok(());
    }
    let why = "the documents of one commit are larger than an object of the log may be";
    Err(Error::new(ErrorKind::LimitExceeded, "commit", why)
        .with("bytes", bytes)
        .with("most", MAX_COMMIT_BYTES)
        .hint("commit fewer documents at once"))
}

/// Checks the documents of records that are applied in a later frame than the first.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_documents(env: &Env, records: &[Record]) -> Result<()> {
    for record in records {
        let Some(document) = record.document() else { continue };
        let schema = env.schema(record.collection());
        schema.check_document(record.id(), document, env.options.max_entity_bytes)?;
    }
    Ok(())
}

/// Records in parts that fit into a frame each, in their order.
pub(crate) fn parts_of(records: Vec<Record>) -> impl Iterator<Item = Vec<Record>> {
    let mut records = records.into_iter();
    std::iter::from_fn(move || {
        let (mut part, mut bytes) = (Vec::new(), 0);
        while part.len() < APPLIED && bytes < APPLIED_BYTES {
            let Some(record) = records.next() else { break };
            bytes += record.document().map_or(0, |document| document.as_str().len());
            part.push(record);
        }
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::Tombstone;
    use repo_core::{Timestamp, Version};

    use super::*;

    #[test]
    fn no_record_is_lost_between_parts() {
        let record = |n: usize| {
            Record::Tombstone(Tombstone {
                collection: "items".parse().unwrap(),
                id: n.to_string().parse().unwrap(),
                version: Version::FIRST,
                deleted_at: Timestamp::from_micros(0).unwrap(),
            })
        };
        for count in [0, 1, APPLIED, APPLIED + 1] {
            let records: Vec<Record> = (0..count).map(record).collect();
            let parts: Vec<Vec<Record>> = parts_of(records.clone()).collect();
            assert!(parts.iter().all(|part| (1..=APPLIED).contains(&part.len())));
            assert_eq!(parts.concat(), records);
        }
    }
}
