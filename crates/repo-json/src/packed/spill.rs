//! The text of a file that is compressed in one piece: in a temporary file without a name,
//! which is gone with the handle.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;

use repo_core::strategy::StoreId;

/// A new file for the owner alone, in the system's folder for temporary files. Its name is
/// gone before anything is written.
pub(crate) fn spill_file() -> io::Result<File> {
    let name = StoreId::random().map_err(|error| io::Error::other(error.to_string()))?;
    let path = std::env::temp_dir().join(format!(".repository-{name}"));
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    remove_file(&path)?;
    Ok(file)
}

/// Counts what is read from it, and writes it into a file as well.
pub(crate) struct Tee<'a, R> {
    from: R,
    to: Option<&'a File>,
    bytes: &'a mut u64,
}

impl<'a, R> Tee<'a, R> {
    /// Without `to` nothing is kept.
    pub(crate) fn new(from: R, to: Option<&'a File>, bytes: &'a mut u64) -> Self {
        Self { from, to, bytes }
    }
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.from.read(buffer)?;
        if let Some(mut to) = self.to {
            to.write_all(&buffer[..len])?;
        }
        *self.bytes += len as u64;
        Ok(len)
    }
}
