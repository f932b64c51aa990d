//! What objects hold, and how.

mod frame;
mod lines;
mod manifest;
mod op;

pub(crate) use frame::{Frame, Placed, encode_frame, frame_of, scrubbed_frame};
pub(crate) use lines::{Decoded, HEAD, Kind, LAYOUT, Line, Lines, Unreadable, decode, kind_of};
pub(crate) use manifest::{FeedPart, Manifest, NUMBERS, Run};
pub(crate) use op::{ByOp, ChangeOp, DeleteOp, OlderOp, Op, PrepareOp, PutOp, Text, WasOp};
