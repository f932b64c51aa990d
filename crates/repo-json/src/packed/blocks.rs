//! The blocks of a compressed file, and the table behind them.
//!
//! The table is a skippable frame of zstd: its magic number and its length, then for each
//! block the bytes of its frame and those of its text, then the number of blocks, a byte of
//! flags and a second magic number. All numbers have 4 bytes, the lowest first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::codec::text_of;

/// Bytes of text in a block. To read a document takes to unpack one; smaller ones compress
/// less.
pub(super) const BLOCK_TEXT: usize = 64 * 1_024;
/// Larger blocks are not read one by one, since each is in memory whole.
const LARGEST_BLOCK: u32 = 1_024 * 1_024;

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const FRAME_HEAD: usize = 8;
const TABLE_END: usize = 9;
/// The flag that each entry ends with a checksum, and those that have no meaning.
const WITH_CHECKSUMS: u8 = 0x80;
const RESERVED: u8 = 0x7C;

/// A block as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Bytes of its frame.
    pub(super) frame: u32,
    /// Bytes of its text.
    pub(super) text: u32,
}

/// The table behind the blocks.
pub(super) fn table(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let too_many = |_| io::Error::new(io::ErrorKind::FileTooLarge, "the file has too many blocks");
    let count = u32::try_from(entries.len()).map_err(too_many)?;
    let len = u32::try_from(entries.len() * FRAME_HEAD + TABLE_END).map_err(too_many)?;
    let mut table = Vec::with_capacity(FRAME_HEAD + len as usize);
    table.extend_from_slice(&SKIPPABLE.to_le_bytes());
    table.extend_from_slice(&len.to_le_bytes());
    for entry in entries {
        table.extend_from_slice(&entry.frame.to_le_bytes());
        table.extend_from_slice(&entry.text.to_le_bytes());
    }
    table.extend_from_slice(&count.to_le_bytes());
    table.push(0);
    table.extend_from_slice(&SEEKABLE.to_le_bytes());
    Ok(table)
}

/// Where a block begins.
#[derive(Debug, Clone, Copy)]
struct Start {
    text: u64,
    frame: u64,
}

/// A block that was unpacked.
type Unpacked = (usize, Arc<Vec<u8>>);

/// A file whose blocks can be read one by one.
#[derive(Debug)]
pub(super) struct Blocks {
    file: Arc<File>,
    /// Of each block, and the ends behind the last one.
    starts: Vec<Start>,
    /// The one that was read last: documents that stand together share it.
    last: Mutex<Option<Unpacked>>,
}

impl Blocks {
    /// The blocks of a file of `len` bytes; `None` where it has no table, or one that does
    /// not fit it, or blocks that are too large.
    pub(super) fn open(file: &Arc<File>, len: u64) -> io::Result<Option<Self>> {
        let Some(entries) = read_table(file, len)? else { return Ok(None) };
        let mut starts = Vec::with_capacity(entries.len() + 1);
        let mut at = Start { text: 0, frame: 0 };
        for entry in entries {
            starts.push(at);
            at.text += u64::from(entry.text);
            at.frame += u64::from(entry.frame);
        }
        starts.push(at);
        Ok(Some(Self { file: Arc::clone(file), starts, last: Mutex::default() }))
    }

    /// Bytes of text in all blocks.
    pub(super) fn len(&self) -> u64 {
        self.starts.last().map_or(0, |end| end.text)
    }

    /// Fills `bytes` with the text from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` behind the end; `InvalidData` for a block that is damaged.
    pub(super) fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let at = self.starts.partition_point(|start| start.text <= offset);
            let (Some(at), true) = (at.checked_sub(1), offset < self.len()) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let text = self.block(at)?;
            let from = usize::try_from(offset - self.starts[at].text).unwrap_or(usize::MAX);
            let found = text.get(from..).unwrap_or_default();
            let len = found.len().min(bytes.len());
            if len == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let (now, rest) = bytes.split_at_mut(len);
            now.copy_from_slice(&found[..len]);
            (bytes, offset) = (rest, offset + len as u64);
        }
        Ok(())
    }

    fn block(&self, at: usize) -> io::Result<Arc<Vec<u8>>> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((block, text)) = &*last()
            && *block == at
        {
            return Ok(Arc::clone(text));
        }
        let text = Arc::new(self.unpack(at)?);
        *last() = Some((at, Arc::clone(&text)));
        Ok(text)
    }

    fn unpack(&self, at: usize) -> io::Result<Vec<u8>> {
        let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let (Some(start), Some(end)) = (self.starts.get(at), self.starts.get(at + 1)) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let size = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(0);
        let mut frame = vec![0; size(start.frame, end.frame)];
        self.file.read_exact_at(&mut frame, start.frame)?;
        let len = size(start.text, end.text);
        let text = text_of(&frame, len).map_err(|error| damaged(error.to_string()))?;
        match text.len() == len {
            true => Ok(text),
            false => Err(damaged(format!("a block of {len} bytes has {}", text.len()))),
        }
    }
}

/// The entries of the table at the end of a file.
fn read_table(file: &File, len: u64) -> io::Result<Option<Vec<Entry>>> {
    let mut end = [0; TABLE_END];
    let Some(end_at) = len.checked_sub(TABLE_END as u64) else { return Ok(None) };
    file.read_exact_at(&mut end, end_at)?;
    let flags = end[4];
    if word(&end[5..]) != SEEKABLE || flags & RESERVED != 0 {
        return Ok(None);
    }
    let entry = if flags & WITH_CHECKSUMS == 0 { 8 } else { 12 };
    let entries = u64::from(word(&end)) * entry;
    let Some(begin) = end_at.checked_sub(entries + FRAME_HEAD as u64) else { return Ok(None) };
    // It is no longer than the file, whatever the number in it says.
    let mut table = vec![0; usize::try_from(end_at - begin).unwrap_or(0)];
    file.read_exact_at(&mut table, begin)?;
    let inner = entries + TABLE_END as u64;
    if word(&table) != SKIPPABLE || u64::from(word(&table[4..])) != inner {
        return Ok(None);
    }
    let read = |bytes: &[u8]| Entry { frame: word(bytes), text: word(&bytes[4..]) };
    let width = usize::try_from(entry).unwrap_or(8);
    let entries: Vec<Entry> = table[FRAME_HEAD..].chunks_exact(width).map(read).collect();
    let frames: u64 = entries.iter().map(|entry| u64::from(entry.frame)).sum();
    let fits = frames == begin && entries.iter().all(|entry| entry.text <= LARGEST_BLOCK);
    Ok(fits.then_some(entries))
}

/// The first 4 bytes as a number.
fn word(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u32::from_le_bytes(word)
}
