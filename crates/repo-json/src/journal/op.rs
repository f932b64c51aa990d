//! What a frame says: changes of records, and of the store's own record.

use repo_core::strategy::{Capture, HistoryState, RoleState, StoreId, StoredJob, UnfinishedJob};

use super::older_op::{
    OlderOp, OlderOpState, decode_history, decode_older, push_history, push_older,
};
use crate::codec::{Put as _, Take};
use crate::snapshot::FileDigest;
use crate::span::Span;

/// One change. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// A live record.
    Put {
        collection: &'a str,
        id: &'a str,
        version: u64,
        created_at: i64,
        updated_at: i64,
        document: &'a str,
    },
    /// A tombstone.
    Delete { collection: &'a str, id: &'a str, version: u64, deleted_at: i64 },
    /// A collection was made, or its schema changed.
    Prepare { collection: &'a str, schema_version: u32, shape: u64 },
    /// A floor was raised.
    Floor { collection: &'a str, floor: u64 },
    /// Tombstones written before a moment were removed.
    Purge { collection: &'a str, older_than: i64 },
    /// The unfinished job was set or cleared.
    Job(Option<UnfinishedJob>),
    /// The store, a copy, was given an id of its own. Never in layout 1.
    Id(StoreId),
    /// Who needs the changes of the store, and up to which place of the feed they
    /// were removed. Layout 3, as all that follows here.
    Capture { capture: Capture, trimmed: u64 },
    /// A record that another tool changed in a data file. It stands in the frame of
    /// the checkpoint that takes the edit in, so that either both count or neither.
    Edited { collection: &'a str, id: &'a str, version: u64, deleted: bool },
    /// An item of the engine's own was set, or removed.
    Item { collection: &'a str, key: &'a str, value: Option<&'a str> },
    /// The history of a collection began, changed its state, or ended.
    History { collection: &'a str, history: Option<HistoryState> },
    /// What is kept of an older version was changed.
    Older(OlderOp<'a>),
    /// The store took a step of its role.
    Role(Box<RoleState>),
    /// The files of the next generation are complete beside the old ones.
    Checkpoint(CheckpointOp),
}

impl Op<'_> {
    /// The collection that it changes.
    pub(crate) fn collection(&self) -> Option<&str> {
        match self {
            Self::Put { collection, .. }
            | Self::Delete { collection, .. }
            | Self::Prepare { collection, .. }
            | Self::Floor { collection, .. }
            | Self::Purge { collection, .. }
            | Self::History { collection, .. }
            | Self::Older(OlderOp { collection, .. }) => Some(collection),
            Self::Job(_)
            | Self::Id(_)
            | Self::Capture { .. }
            | Self::Edited { .. }
            | Self::Item { .. }
            | Self::Role(_)
            | Self::Checkpoint(_) => None,
        }
    }
}

/// What the checkpoint frame names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckpointOp {
    pub(crate) generation: u64,
    /// The checksum at the end of the new `.meta`.
    pub(crate) meta_crc: u32,
    /// The data files that are replaced.
    pub(crate) files: Vec<CheckpointFile>,
    /// The places of the journal in the change feed, if it is kept for that.
    pub(crate) kept: Option<Span>,
}

/// A data file that a checkpoint replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckpointFile {
    pub(crate) name: String,
    /// What stood there before; `None` for nothing.
    pub(crate) old: Option<FileDigest>,
    /// What stands there now; `None` for nothing: the file has another name now.
    pub(crate) new: Option<FileDigest>,
}

/// Says that there is no new file. Programs that do not know this refuse the layout of such
/// a checkpoint before they look.
const NO_FILE: FileDigest = [0; 32];

const PUT: u8 = 1;
const DELETE: u8 = 2;
const PREPARE: u8 = 3;
const FLOOR: u8 = 4;
const PURGE: u8 = 5;
const JOB: u8 = 6;
const CHECKPOINT: u8 = 7;
const ID: u8 = 8;
const CAPTURE: u8 = 9;
const EDITED: u8 = 10;
const CHECKPOINT_KEPT: u8 = 11;
const ITEM: u8 = 12;
const HISTORY: u8 = 13;
const OLDER: u8 = 14;
const ROLE: u8 = 15;

/// Appends a change to a payload.
pub(crate) fn push_op(out: &mut Vec<u8>, op: &Op<'_>) {
    match op {
        Op::Put { collection, id, version, created_at, updated_at, document } => {
            out.put_u8(PUT);
            out.put_text(collection);
            out.put_text(id);
            out.put_u64(*version);
            out.put_i64(*created_at);
            out.put_i64(*updated_at);
            out.put_text(document);
        }
        Op::Delete { collection, id, version, deleted_at } => {
            out.put_u8(DELETE);
            out.put_text(collection);
            out.put_text(id);
            out.put_u64(*version);
            out.put_i64(*deleted_at);
        }
        Op::Prepare { collection, schema_version, shape } => {
            out.put_u8(PREPARE);
            out.put_text(collection);
            out.put_u32(*schema_version);
            out.put_u64(*shape);
        }
        Op::Floor { collection, floor } => {
            out.put_u8(FLOOR);
            out.put_text(collection);
            out.put_u64(*floor);
        }
        Op::Purge { collection, older_than } => {
            out.put_u8(PURGE);
            out.put_text(collection);
            out.put_i64(*older_than);
        }
        op => push_store_op(out, op),
    }
}

fn push_store_op(out: &mut Vec<u8>, op: &Op<'_>) {
    match op {
        Op::Job(job) => push_job(out, job.as_ref()),
        Op::Id(id) => {
            out.put_u8(ID);
            out.extend_from_slice(&id.to_bytes());
        }
        Op::Capture { capture, trimmed } => {
            out.put_u8(CAPTURE);
            out.put_u64(*trimmed);
            push_capture(out, capture);
        }
        Op::Edited { collection, id, version, deleted } => {
            out.put_u8(EDITED);
            out.put_text(collection);
            out.put_text(id);
            out.put_u64(*version);
            out.put_u8(u8::from(*deleted));
        }
        Op::Item { collection, key, value } => {
            out.put_u8(ITEM);
            out.put_text(collection);
            out.put_text(key);
            out.put_u8(u8::from(value.is_some()));
            out.put_text(value.unwrap_or_default());
        }
        Op::History { collection, history } => {
            out.put_u8(HISTORY);
            out.put_text(collection);
            out.put_u8(u8::from(history.is_some()));
            if let Some(history) = history {
                push_history(out, history);
            }
        }
        Op::Older(older) => {
            out.put_u8(OLDER);
            push_older(out, older);
        }
        Op::Role(role) => {
            out.put_u8(ROLE);
            push_role(out, role);
        }
        Op::Checkpoint(checkpoint) => push_checkpoint(out, checkpoint),
        // Those of records and collections.
        _ => {}
    }
}

/// Appends who needs the changes; `.meta` has it in the same form.
pub(crate) fn push_capture(out: &mut Vec<u8>, capture: &Capture) {
    out.put_u64(capture.generation);
    out.put_u32(u32::try_from(capture.holders.len()).unwrap_or(u32::MAX));
    capture.holders.iter().for_each(|holder| out.put_text(holder.as_str()));
}

/// Appends the role of the store; `.meta` has it in the same form.
pub(crate) fn push_role(out: &mut Vec<u8>, role: &RoleState) {
    // Only text and numbers, so there is nothing to fail.
    out.put_text(&serde_json::to_string(role).unwrap_or_default());
}

fn push_job(out: &mut Vec<u8>, job: Option<&UnfinishedJob>) {
    out.put_u8(JOB);
    out.put_u8(u8::from(job.is_some()));
    if let Some(job) = job {
        out.put_text(&job.id().to_string());
        out.put_text(job.progress());
    }
}

fn push_checkpoint(out: &mut Vec<u8>, checkpoint: &CheckpointOp) {
    match checkpoint.kept {
        None => out.put_u8(CHECKPOINT),
        Some(span) => {
            out.put_u8(CHECKPOINT_KEPT);
            out.put_u64(span.first);
            out.put_u64(span.end);
            out.put_u64(span.journal);
        }
    }
    out.put_u64(checkpoint.generation);
    out.put_u32(checkpoint.meta_crc);
    out.put_u32(u32::try_from(checkpoint.files.len()).unwrap_or(u32::MAX));
    for file in &checkpoint.files {
        out.put_text(&file.name);
        out.put_u8(u8::from(file.old.is_some()));
        out.extend_from_slice(&file.old.unwrap_or_default());
        out.extend_from_slice(&file.new.unwrap_or(NO_FILE));
    }
}

/// Reads the changes of a payload. What holds a document, or a text like it, comes with
/// the place of that in the payload. `None` for an item that cannot be read; it is the last.
pub(crate) fn decode_ops(payload: &[u8]) -> impl Iterator<Item = Option<(Op<'_>, usize)>> {
    let mut take = Take::new(payload);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || take.is_empty() {
            return None;
        }
        let op = decode(&mut take);
        broken = op.is_none();
        Some(op)
    })
}

fn decode<'a>(take: &mut Take<'a>) -> Option<(Op<'a>, usize)> {
    let op = match take.u8()? {
        PUT => Op::Put {
            collection: take.text()?,
            id: take.text()?,
            version: take.u64()?,
            created_at: take.i64()?,
            updated_at: take.i64()?,
            document: take.text()?,
        },
        DELETE => Op::Delete {
            collection: take.text()?,
            id: take.text()?,
            version: take.u64()?,
            deleted_at: take.i64()?,
        },
        PREPARE => Op::Prepare {
            collection: take.text()?,
            schema_version: take.u32()?,
            shape: take.u64()?,
        },
        FLOOR => Op::Floor { collection: take.text()?, floor: take.u64()? },
        PURGE => Op::Purge { collection: take.text()?, older_than: take.i64()? },
        tag => decode_store_op(tag, take)?,
    };
    let document_at = match &op {
        Op::Put { document, .. }
        | Op::Older(OlderOp { state: OlderOpState::Live { document, .. }, .. })
        | Op::Older(OlderOp { state: OlderOpState::Attributed { by: document }, .. })
        | Op::Item { value: Some(document), .. } => take.position() - document.len(),
        _ => take.position(),
    };
    Some((op, document_at))
}

fn decode_store_op<'a>(tag: u8, take: &mut Take<'a>) -> Option<Op<'a>> {
    Some(match tag {
        JOB => Op::Job(match take.u8()? {
            0 => None,
            _ => {
                let (plan, progress) = (take.text()?.to_owned(), take.text()?.to_owned());
                Some(StoredJob { plan, progress }.into())
            }
        }),
        ID => Op::Id(StoreId::from_bytes(take.array()?)),
        CAPTURE => Op::Capture { trimmed: take.u64()?, capture: decode_capture(take)? },
        EDITED => Op::Edited {
            collection: take.text()?,
            id: take.text()?,
            version: take.u64()?,
            deleted: take.u8()? != 0,
        },
        ITEM => {
            let (collection, key) = (take.text()?, take.text()?);
            let (is_set, value) = (take.u8()? != 0, take.text()?);
            Op::Item { collection, key, value: is_set.then_some(value) }
        }
        HISTORY => {
            let collection = take.text()?;
            let history = match take.u8()? {
                0 => None,
                _ => Some(decode_history(take)?),
            };
            Op::History { collection, history }
        }
        OLDER => Op::Older(decode_older(take)?),
        ROLE => Op::Role(serde_json::from_str(take.text()?).ok()?),
        CHECKPOINT => Op::Checkpoint(decode_checkpoint(take, None)?),
        CHECKPOINT_KEPT => {
            let kept = Span { first: take.u64()?, end: take.u64()?, journal: take.u64()? };
            Op::Checkpoint(decode_checkpoint(take, Some(kept))?)
        }
        _ => return None,
    })
}

fn decode_capture(take: &mut Take<'_>) -> Option<Capture> {
    let mut capture = Capture::default();
    capture.generation = take.u64()?;
    for _ in 0..take.u32()? {
        capture.holders.insert(take.text()?.parse().ok()?);
    }
    Some(capture)
}

fn decode_checkpoint(take: &mut Take<'_>, kept: Option<Span>) -> Option<CheckpointOp> {
    let generation = take.u64()?;
    let meta_crc = take.u32()?;
    let files = (0..take.u32()?)
        .map(|_| {
            let name = take.text()?.to_owned();
            let had_old = take.u8()? != 0;
            let old: FileDigest = take.array()?;
            let new: FileDigest = take.array()?;
            let new = (new != NO_FILE).then_some(new);
            Some(CheckpointFile { name, old: had_old.then_some(old), new })
        })
        .collect::<Option<_>>()?;
    Some(CheckpointOp { generation, meta_crc, files, kept })
}
