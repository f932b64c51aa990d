//! The journal: what was committed since the last checkpoint. One frame for
//! each group of commits, checksummed, with its length before it, appended and
//! synced once.

mod frame;
mod older_op;
mod op;
mod read;
mod write;

pub(crate) use frame::FRAME_HEAD;
pub(crate) use older_op::{OlderOp, OlderOpState, history_of, push_history};
pub(crate) use op::{
    CheckpointFile, CheckpointOp, Op, decode_ops, push_capture, push_op, push_role,
};
pub(crate) use read::{Frame, Tail, frame_around, frame_at, read_frames, read_head};
pub(crate) use write::{append, create_with, frame_of};

/// Bytes before the first frame.
pub(crate) const JOURNAL_HEAD: u64 = frame::HEAD as u64;
