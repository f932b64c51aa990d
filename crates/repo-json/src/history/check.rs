//! Whether a history file is what was written.

use plain_json::Signature;
use repo_core::Result;

use super::file::HistoryFile;

/// Whether it stands in its place, with its length.
pub(crate) fn stands_there(file: &HistoryFile) -> Result<()> {
    file.lines()?;
    match Signature::of_path(file.path())? {
        Some(now) if now.len == file.head.len => Ok(()),
        Some(now) => Err(file.damaged(now.len, "a file of the history has another length")),
        None => Err(file.damaged(0, "a file of the history was removed")),
    }
}

/// Reads all of it.
///
/// # Errors
/// `Corrupt` for a line that was changed, or stands in the wrong place.
pub(crate) fn check_file(file: &HistoryFile) -> Result<()> {
    stands_there(file)?;
    let mut lines = file.lines()?;
    let mut last = None;
    let mut crc = crc32fast::Hasher::new();
    let mut at = 0;
    while let Some(line) = lines.next()? {
        if last.as_ref().is_some_and(|last| *last >= line.key) {
            return Err(file.damaged(at, "a line of the history stands in the wrong place"));
        }
        crc.update(&line.text);
        crc.update(b"\n");
        at = lines.offset();
        last = Some(line.key);
    }
    if crc.finalize() != file.head.crc {
        return Err(file.damaged(0, "lines of the history are not those that were written"));
    }
    Ok(())
}
