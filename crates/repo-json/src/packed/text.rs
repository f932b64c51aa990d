//! The text of a data file, whichever way it is kept.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::blocks::Blocks;
use super::codec::text_reader;
use super::form::Packing;
use super::spill::spill_file;

/// A text that can be read anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Text(Arc<Kept>);

#[derive(Debug)]
enum Kept {
    /// The file is the text.
    File(Arc<File>),
    /// It is in blocks.
    Blocks(Blocks),
    /// It was unpacked into a temporary file of this many bytes.
    Unpacked(File, u64),
}

impl Text {
    /// The file itself.
    pub(crate) fn of_file(file: &Arc<File>) -> Self {
        Self(Arc::new(Kept::File(Arc::clone(file))))
    }

    /// The text of a compressed file of `len` bytes, if it is in blocks.
    pub(crate) fn of_blocks(file: &Arc<File>, len: u64) -> io::Result<Option<Self>> {
        Ok(Blocks::open(file, len)?.map(|blocks| Self(Arc::new(Kept::Blocks(blocks)))))
    }

    /// The text of a file of `len` bytes. One that is compressed in one piece is unpacked.
    pub(crate) fn open(file: &Arc<File>, len: u64, packing: Packing) -> io::Result<Self> {
        if packing == Packing::Plain {
            return Ok(Self::of_file(file));
        }
        if let Some(text) = Self::of_blocks(file, len)? {
            return Ok(text);
        }
        let mut spilled = spill_file()?;
        io::copy(&mut text_reader(FromStart::new(file))?, &mut spilled)?;
        Self::unpacked(spilled)
    }

    /// A text that was unpacked into this file.
    pub(crate) fn unpacked(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self(Arc::new(Kept::Unpacked(file, len))))
    }

    /// Whether the file has to be written anew to be read in parts.
    pub(crate) fn is_unpacked(&self) -> bool {
        matches!(*self.0, Kept::Unpacked(..))
    }

    /// Whether the bytes of the file are the text.
    pub(crate) fn is_the_file(&self) -> bool {
        matches!(*self.0, Kept::File(_))
    }

    /// Bytes of text, where they are not those of the file.
    pub(crate) fn len(&self) -> Option<u64> {
        match &*self.0 {
            Kept::File(_) => None,
            Kept::Blocks(blocks) => Some(blocks.len()),
            Kept::Unpacked(_, len) => Some(*len),
        }
    }

    /// Fills `bytes` with the text from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` behind the end; `InvalidData` for a block that is damaged.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match &*self.0 {
            Kept::File(file) => file.read_exact_at(bytes, offset),
            Kept::Blocks(blocks) => blocks.read_exact_at(bytes, offset),
            Kept::Unpacked(file, _) => file.read_exact_at(bytes, offset),
        }
    }
}

/// Reads a file from its front, whoever else reads it.
pub(crate) struct FromStart<'f> {
    file: &'f File,
    at: u64,
}

impl<'f> FromStart<'f> {
    pub(crate) fn new(file: &'f File) -> Self {
        Self { file, at: 0 }
    }
}

impl io::Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(buffer, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}
