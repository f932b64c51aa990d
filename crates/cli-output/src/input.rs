//! Lines from a file or from standard input, read by a thread of their own so
//! that neither a slow producer nor a signal has to wait for the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use repo_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use crate::failure::unreadable;

/// Lines that wait to be used.
const AHEAD: usize = 32;

/// The lines of one input, without their line feeds.
#[derive(Debug)]
pub struct LineReader {
    path: PathBuf,
    lines: mpsc::Receiver<io::Result<Vec<u8>>>,
    number: u64,
}

impl LineReader {
    /// Opens a file; `-` is standard input. A line longer than `max_bytes` is
    /// refused, so that memory stays bounded.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` when it cannot be opened.
    pub fn open(path: &Path, max_bytes: usize) -> Result<Self> {
        let (sender, lines) = mpsc::channel(AHEAD);
        if path.as_os_str() == "-" {
            std::thread::spawn(move || send_lines(io::stdin().lock(), max_bytes, &sender));
        } else {
            let file = File::open(path).map_err(|source| unreadable("import", path, source))?;
            std::thread::spawn(move || send_lines(BufReader::new(file), max_bytes, &sender));
        }
        Ok(Self { path: path.to_owned(), lines, number: 0 })
    }

    /// The next line that is not blank, with its number from 1.
    ///
    /// # Errors
    /// `Invalid` for a line that is too long; `Unavailable` when reading
    /// fails.
    pub async fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            let Some(line) = self.lines.recv().await else { return Ok(None) };
            self.number += 1;
            let line = line.map_err(|source| self.broken(source))?;
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }

    fn broken(&self, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::FileTooLarge {
            return Error::new(ErrorKind::Invalid, "import", "a line is longer than any document")
                .with("file", self.path.display())
                .with("line", self.number);
        }
        unreadable("import", &self.path, source).with("line", self.number)
    }
}

/// Sends line after line until the input or the receiver ends.
fn send_lines(
    mut input: impl BufRead,
    max_bytes: usize,
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
) {
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(limit).read_until(b'\n', &mut line);
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        let line = match read {
            Ok(0) => return,
            Ok(_) if !ended && line.len() > max_bytes => {
                Err(io::Error::from(io::ErrorKind::FileTooLarge))
            }
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        };
        let last = line.is_err();
        if sender.blocking_send(line).is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], max_bytes: usize) -> Vec<Option<String>> {
        let (sender, mut receiver) = mpsc::channel(16);
        send_lines(input, max_bytes, &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv())
            .map(|line| line.ok().map(|bytes| String::from_utf8(bytes).unwrap()))
            .collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_at_the_end_of_the_input() {
        let text = |line: &str| Some(line.to_owned());
        assert_eq!(lines(b"", 8), []);
        assert_eq!(lines(b"a\n\nb", 8), [text("a"), text(""), text("b")]);
        assert_eq!(lines(b"12345678\n1", 8), [text("12345678"), text("1")]);
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_reading() {
        assert_eq!(lines(b"1\n123456789\n2\n", 8), [Some("1".to_owned()), None]);
    }
}
