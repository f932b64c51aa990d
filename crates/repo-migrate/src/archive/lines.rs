//! A compressed file of lines, hashed while it is written.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use repo_core::Result;

use crate::archive::errors::io_error;
use crate::archive::sink::Sink;

/// A file of lines that is being written.
pub(crate) struct LinesWriter {
    pub(super) encoder: zstd::Encoder<'static, BufWriter<Hashing<Sink>>>,
    pub(super) path: PathBuf,
    pub(super) lines: u64,
}

/// A file of lines that is written, and may not be on disk yet.
pub(super) struct WrittenFile {
    pub(super) path: PathBuf,
    pub(super) file: Sink,
    pub(super) bytes: u64,
    pub(super) digest: String,
    pub(super) lines: u64,
}

impl LinesWriter {
    /// Appends so many whole lines.
    pub(crate) fn append(&mut self, text: &[u8], lines: u64) -> Result<()> {
        self.lines += lines;
        self.encoder
            .write_all(text)
            .map_err(|error| io_error("write an archive", &self.path, error))
    }

    pub(super) fn finish(self) -> Result<WrittenFile> {
        let Self { encoder, path, lines } = self;
        let io = |error| io_error("write an archive", &path, error);
        let buffered = encoder.finish().map_err(io)?;
        let hashing = buffered.into_inner().map_err(|error| io(error.into_error()))?;
        let digest = hashing.hasher.finalize().to_hex().to_string();
        Ok(WrittenFile { file: hashing.inner, bytes: hashing.bytes, path, digest, lines })
    }
}

/// Hashes and counts what goes through.
pub(crate) struct Hashing<T> {
    pub(crate) inner: T,
    pub(crate) hasher: blake3::Hasher,
    pub(crate) bytes: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.saw(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: io::Read> io::Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.saw(&buffer[..read]);
        Ok(read)
    }
}
