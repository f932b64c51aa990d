//! Writing the journal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::frame::{FrameHead, head};

/// A whole frame around a payload.
pub(crate) fn frame_of(generation: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let payload_crc = crc32fast::hash(payload);
    let head = FrameHead { len: payload.len() as u64, sequence, payload_crc };
    let mut bytes = head.bytes(generation);
    bytes.extend_from_slice(payload);
    bytes
}

/// Writes a frame at the end of the journal, in one call. It is not synced.
pub(crate) fn append(file: &File, at: u64, frame: &[u8]) -> io::Result<()> {
    file.write_all_at(frame, at)
}

/// Writes a new journal with at most one frame and syncs it. Gives its length.
pub(crate) fn create_with(file: &File, generation: u64, payload: Option<&[u8]>) -> io::Result<u64> {
    let mut bytes = head(generation);
    if let Some(payload) = payload {
        bytes.extend_from_slice(&frame_of(generation, 1, payload));
    }
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    Ok(bytes.len() as u64)
}
