//! The only place that knows the compressor.

use std::io::{self, Read};

use zstd::zstd_safe::CParameter;

/// Whether this program can read and write compressed files.
pub(crate) const IS_BUILT_IN: bool = true;

/// As `zstd` does by itself: higher levels take several times as long for a few percent.
const LEVEL: i32 = 3;

/// Makes a frame of each block, with a checksum of its text.
pub(super) struct Compressor(zstd::bulk::Compressor<'static>);

impl Compressor {
    pub(super) fn new() -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self(compressor))
    }

    pub(super) fn frame(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(text)
    }
}

/// The text of a frame, at most `most` bytes.
pub(super) fn text_of(frame: &[u8], most: usize) -> io::Result<Vec<u8>> {
    zstd::bulk::decompress(frame, most)
}

/// The text of a whole file, from front to back, in bounded memory. What is no compressed
/// text is `InvalidData`.
pub(crate) fn text_reader<'a>(file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(Box::new(Unpacking(zstd::Decoder::new(file)?)))
}

/// Tells what is wrong with the bytes from what is wrong with the disk.
struct Unpacking<R>(R);

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.raw_os_error() {
            None if error.kind() != io::ErrorKind::Interrupted => {
                io::Error::new(io::ErrorKind::InvalidData, error)
            }
            _ => error,
        })
    }
}
