//! The bytes of the journal's head and of a frame's head.
//!
//! Head: magic (8), generation (8), checksum (4).
//! Frame: magic (4), payload length (8), sequence (8), payload checksum (4),
//! checksum of the generation and all of this (4), payload. The magic is not
//! UTF-8, so no document can hold it; the generation keeps frames of an older
//! journal from being taken for frames of this one.

use crate::codec::{Put as _, Take};

const MAGIC: &[u8; 8] = b"REPOJNL1";
/// How a frame begins.
pub(super) const FRAME_MAGIC: [u8; 4] = [0xF5, b'R', b'J', 0xFE];
/// Bytes of the journal's head.
pub(super) const HEAD: usize = 20;
/// Bytes before the payload of a frame.
pub(crate) const FRAME_HEAD: u64 = FRAME_HEAD_LEN as u64;
/// The same, for arrays.
pub(super) const FRAME_HEAD_LEN: usize = 28;

/// The head of a journal.
pub(super) fn head(generation: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD);
    bytes.extend_from_slice(MAGIC);
    bytes.put_u64(generation);
    let crc = crc32fast::hash(&bytes);
    bytes.put_u32(crc);
    bytes
}

/// The generation of a journal, if this is the head of one.
pub(super) fn parse_head(bytes: [u8; HEAD]) -> Option<u64> {
    let mut take = Take::new(&bytes);
    let magic: [u8; 8] = take.array()?;
    let generation = take.u64()?;
    let sound = take.u32()? == crc32fast::hash(&bytes[..HEAD - 4]) && magic == *MAGIC;
    sound.then_some(generation)
}

/// What the head of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) len: u64,
    pub(super) sequence: u64,
    pub(super) payload_crc: u32,
}

impl FrameHead {
    pub(super) fn bytes(self, generation: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRAME_HEAD_LEN);
        bytes.extend_from_slice(&FRAME_MAGIC);
        bytes.put_u64(self.len);
        bytes.put_u64(self.sequence);
        bytes.put_u32(self.payload_crc);
        let crc = salted_crc(generation, &bytes);
        bytes.put_u32(crc);
        bytes
    }

    pub(super) fn parse(bytes: &[u8; FRAME_HEAD_LEN], generation: u64) -> Option<Self> {
        let mut take = Take::new(bytes);
        let magic: [u8; 4] = take.array()?;
        let head = Self { len: take.u64()?, sequence: take.u64()?, payload_crc: take.u32()? };
        let sound = take.u32()? == salted_crc(generation, &bytes[..FRAME_HEAD_LEN - 4]);
        (sound && magic == FRAME_MAGIC).then_some(head)
    }
}

fn salted_crc(generation: u64, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}
