//! In the place of the compressor, where this program is built without it. A store that
//! needs it is refused before anything of this is called.

use std::io::{self, Read};

/// Whether this program can read and write compressed files.
pub(crate) const IS_BUILT_IN: bool = false;

pub(super) struct Compressor;

impl Compressor {
    pub(super) fn new() -> io::Result<Self> {
        Err(absent())
    }

    pub(super) fn frame(&mut self, _text: &[u8]) -> io::Result<Vec<u8>> {
        Err(absent())
    }
}

pub(super) fn text_of(_frame: &[u8], _most: usize) -> io::Result<Vec<u8>> {
    Err(absent())
}

pub(crate) fn text_reader<'a>(_file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Err(absent())
}

fn absent() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this program is built without compression")
}
