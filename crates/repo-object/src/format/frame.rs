//! A frame: one object of the log.

use bytes::Bytes;
use repo_core::{Document, Error, ErrorKind, Result};

use super::lines::{Decoded, Kind, Line, Lines};
use super::op::Op;
use crate::hex::Hex16;

/// A change of the state, and where in its object the document of it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) op: Op,
    pub(crate) at: Option<u32>,
}

/// A frame of the log.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) commit: Hex16,
    /// The commit of the frame before it.
    pub(crate) after: Hex16,
    /// Bytes of the object.
    pub(crate) len: u64,
    pub(crate) ops: Vec<Placed>,
}

/// The object of a frame, and the frame as who reads the object has it; its commit, and that of
/// the frame before it.
///
/// # Errors
/// `LimitExceeded` for more than 4 GiB.
pub(crate) fn encode_frame(
    number: u64,
    (commit, after): (Hex16, Hex16),
    ops: Vec<(Op, Option<Document>)>,
) -> Result<(Bytes, Frame)> {
    let mut lines = Lines::new(Kind::Log { number, commit, after, scrubbed: false })?;
    let mut placed = Vec::with_capacity(ops.len());
    for (op, document) in ops {
        lines.push(&op)?;
        let at = match document {
            None => None,
            Some(document) => {
                let too_large = || {
                    let why = "a group of commits is larger than an object of the log can be";
                    Error::new(ErrorKind::LimitExceeded, "commit", why)
                };
                Some(lines.push_document(document.as_str()).ok_or_else(too_large)?)
            }
        };
        placed.push(Placed { op, at });
    }
    let bytes = lines.finish()?;
    let frame = Frame { number, commit, after, len: bytes.len() as u64, ops: placed };
    Ok((bytes, frame))
}

/// What takes the place of a frame when what it changed is taken out.
pub(crate) fn scrubbed_frame(number: u64, commit: Hex16, after: Hex16) -> Result<Bytes> {
    Lines::new(Kind::Log { number, commit, after, scrubbed: true })?.finish()
}

/// The frame that an object of the log is; `None` where what it changed was taken out, and
/// an error, by its words, where it is another object.
pub(crate) fn frame_of(
    decoded: Decoded,
    number: u64,
    len: usize,
) -> Result<Option<Frame>, &'static str> {
    let Kind::Log { number: own, commit, after, scrubbed } = decoded.is else {
        return Err("it is no frame of the log");
    };
    if own != number {
        return Err("it is another frame of the log");
    }
    if scrubbed {
        return Ok(None);
    }
    let place = |line: Line| -> Result<Placed, &'static str> {
        let at = match line.document {
            Some(range) => Some(u32::try_from(range.start).map_err(|_| "it is too large")?),
            None => None,
        };
        Ok(Placed { op: line.op, at })
    };
    let ops = decoded.lines.into_iter().map(place).collect::<Result<_, _>>()?;
    Ok(Some(Frame { number, commit, after, len: len as u64, ops }))
}
