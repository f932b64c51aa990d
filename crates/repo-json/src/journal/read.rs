//! Reading the journal: frame by frame, and what is wrong at its end.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use repo_core::Result;
use repo_core::strategy::Action;

use super::frame::{FRAME_HEAD_LEN, FRAME_MAGIC, FrameHead, HEAD, parse_head};
use crate::errors;

/// Bytes looked at together while searching behind a bad frame.
const CHUNK: usize = 256 * 1_024;
/// The same, before a place within a frame: most are near the frame's beginning.
const BACK: usize = 4_096;
const READ: &str = "read the journal";

/// A sound frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    pub(crate) payload: Vec<u8>,
    /// Where the payload stands in the file.
    pub(crate) payload_at: u64,
}

/// How a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// After a sound frame.
    Clean,
    /// With bytes that are no frame: a write that was torn off. They are
    /// dropped.
    Torn {
        /// How many.
        bytes: u64,
    },
    /// With a bad frame that is followed by a sound one.
    Damaged {
        /// Where the sound one begins.
        sound_at: u64,
    },
}

/// The generation of a journal.
///
/// # Errors
/// `Corrupt` when the head is damaged: a journal is put in place whole.
pub(crate) fn read_head(file: &File, path: &Path) -> Result<u64> {
    let mut bytes = [0; HEAD];
    let parsed = match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => parse_head(bytes),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => None,
        Err(e) => return Err(errors::io(READ, path, e)),
    };
    parsed.ok_or_else(|| {
        errors::corrupt("open the store", path, 0, "the head of the journal is damaged").hint(
            format!(
                "put the folder back from a backup; or run {}: what was committed since the last \
             checkpoint is then given up",
                Action::KeepFile
            ),
        )
    })
}

/// Reads frames from `from` on, where the frame after `after_sequence` begins,
/// and hands each to `each`. Gives the end of the last sound frame and what
/// follows it.
pub(crate) fn read_frames(
    file: &File,
    path: &Path,
    generation: u64,
    from: u64,
    after_sequence: u64,
    mut each: impl FnMut(Frame) -> Result<()>,
) -> Result<(u64, Tail)> {
    let len = file.metadata().map_err(|e| errors::io(READ, path, e))?.len();
    let mut at = from;
    let mut sequence = after_sequence;
    while at < len {
        let Some(frame) = frame_at(file, path, generation, at, len)? else {
            return Ok((at, tail(file, path, generation, at, len)?));
        };
        if frame.sequence != sequence + 1 {
            return Ok((at, Tail::Damaged { sound_at: at }));
        }
        sequence = frame.sequence;
        at = frame.payload_at + frame.payload.len() as u64;
        each(frame)?;
    }
    Ok((at, Tail::Clean))
}

/// The frame that begins at `at` in the first `len` bytes, `None` when there is no
/// sound one.
pub(crate) fn frame_at(
    file: &File,
    path: &Path,
    generation: u64,
    at: u64,
    len: u64,
) -> Result<Option<Frame>> {
    let Some(head) = frame_head(file, path, generation, at, len)? else { return Ok(None) };
    let payload_at = at + FRAME_HEAD_LEN as u64;
    let fits = payload_at.checked_add(head.len).is_some_and(|end| end <= len);
    let Some(payload_len) = usize::try_from(head.len).ok().filter(|_| fits) else {
        return Ok(None);
    };
    let mut payload = vec![0; payload_len];
    file.read_exact_at(&mut payload, payload_at).map_err(|e| errors::io(READ, path, e))?;
    let sound = crc32fast::hash(&payload) == head.payload_crc;
    Ok(sound.then_some(Frame { sequence: head.sequence, payload, payload_at }))
}

/// The frame that begins before `at` and ends behind it; `None` when there is no
/// sound one. It is looked for backwards.
pub(crate) fn frame_around(
    file: &File,
    path: &Path,
    generation: u64,
    at: u64,
    len: u64,
) -> Result<Option<Frame>> {
    let mut to = at;
    let mut buffer = vec![0; BACK];
    while to > HEAD as u64 && at < len {
        let from = to.saturating_sub(BACK as u64).max(HEAD as u64);
        // The magic may stand across the end of what is looked at.
        let end = (to + FRAME_MAGIC.len() as u64 - 1).min(len);
        let want = usize::try_from(end - from).unwrap_or(0);
        buffer.resize(want, 0);
        file.read_exact_at(&mut buffer, from).map_err(|e| errors::io(READ, path, e))?;
        let magics = buffer.windows(FRAME_MAGIC.len()).enumerate().rev();
        for (offset, _) in magics.filter(|(_, window)| *window == FRAME_MAGIC) {
            let begin = from + offset as u64;
            if let Some(head) = frame_head(file, path, generation, begin, len)? {
                let end = (begin + FRAME_HEAD_LEN as u64).checked_add(head.len);
                return match end.is_some_and(|end| end > at) {
                    true => frame_at(file, path, generation, begin, len),
                    false => Ok(None),
                };
            }
        }
        to = from;
    }
    Ok(None)
}

fn frame_head(
    file: &File,
    path: &Path,
    generation: u64,
    at: u64,
    len: u64,
) -> Result<Option<FrameHead>> {
    if at + FRAME_HEAD_LEN as u64 > len {
        return Ok(None);
    }
    let mut bytes = [0; FRAME_HEAD_LEN];
    file.read_exact_at(&mut bytes, at).map_err(|e| errors::io(READ, path, e))?;
    Ok(FrameHead::parse(&bytes, generation))
}

/// What a bad frame at `at` is: torn off, unless a sound frame follows.
fn tail(file: &File, path: &Path, generation: u64, at: u64, len: u64) -> Result<Tail> {
    let mut from = at + 1;
    let mut buffer = vec![0; CHUNK];
    while from < len {
        let want = usize::try_from(len - from).unwrap_or(CHUNK).min(CHUNK);
        let bytes = &mut buffer[..want];
        file.read_exact_at(bytes, from).map_err(|e| errors::io(READ, path, e))?;
        for (offset, window) in bytes.windows(FRAME_MAGIC.len()).enumerate() {
            let sound_at = from + offset as u64;
            if window == FRAME_MAGIC && frame_at(file, path, generation, sound_at, len)?.is_some() {
                return Ok(Tail::Damaged { sound_at });
            }
        }
        // The magic may stand across the end of the chunk.
        from += (want - (FRAME_MAGIC.len() - 1).min(want - 1)) as u64;
    }
    Ok(Tail::Torn { bytes: len - at })
}
