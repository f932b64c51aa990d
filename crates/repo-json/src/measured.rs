//! A piece that `cargo bench -p repo-bench` times by itself. Not part of the
//! interface: it changes as the journal does.

use repo_core::strategy::Record;

use crate::journal::{Op, decode_ops, frame_of, push_op};

/// The payload of a frame that says of these records that they were written.
#[must_use]
pub fn payload(records: &[Record]) -> Vec<u8> {
    let mut payload = Vec::new();
    for record in records {
        let (collection, id) = (record.collection().as_str(), record.id().as_str());
        let version = record.version().get();
        let op = match record {
            Record::Live(entity) => Op::Put {
                collection,
                id,
                version,
                created_at: entity.created_at.as_micros(),
                updated_at: entity.updated_at.as_micros(),
                document: entity.document.as_str(),
            },
            Record::Tombstone(tombstone) => {
                let deleted_at = tombstone.deleted_at.as_micros();
                Op::Delete { collection, id, version, deleted_at }
            }
        };
        push_op(&mut payload, &op);
    }
    payload
}

/// A whole frame around a payload, checksums and all.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    frame_of(1, 1, payload)
}

/// How many changes a payload holds that can be read.
#[must_use]
pub fn decode(payload: &[u8]) -> usize {
    decode_ops(payload).flatten().count()
}
