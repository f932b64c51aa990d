//! Writing a compressed file from front to back.

use std::io::{self, Write};

use super::blocks::{BLOCK_TEXT, Entry, table};
use super::codec::Compressor;

/// Packs what it is given into blocks. Holds one block of text, and 8 bytes for each block
/// that was written.
pub(crate) struct BlockWriter<W> {
    out: W,
    compressor: Compressor,
    text: Vec<u8>,
    entries: Vec<Entry>,
}

impl<W: Write> BlockWriter<W> {
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let text = Vec::with_capacity(BLOCK_TEXT);
        Ok(Self { out, compressor: Compressor::new()?, text, entries: Vec::new() })
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK_TEXT - self.text.len();
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.text.extend_from_slice(now);
            bytes = rest;
            if self.text.len() == BLOCK_TEXT {
                self.end_block()?;
            }
        }
        Ok(())
    }

    /// Writes the last block and the table; the writer below it is not flushed.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.text.is_empty() {
            self.end_block()?;
        }
        self.out.write_all(&table(&self.entries)?)?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let frame = self.compressor.frame(&self.text)?;
        let entry = Entry {
            frame: u32::try_from(frame.len()).map_err(too_large)?,
            text: u32::try_from(self.text.len()).map_err(too_large)?,
        };
        self.out.write_all(&frame)?;
        self.entries.push(entry);
        self.text.clear();
        Ok(())
    }
}
