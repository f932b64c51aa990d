//! SQLite files that a parent had open when it forked.
//!
//! SQLite's locks belong to a process, and what it remembers of them is inherited: in
//! a child it believes to hold locks that the system does not know, as long as it has
//! the inode of the file on its list. Others would then remove the log of the
//! database under the child. Nothing can be done about it from outside, so such a file
//! is not opened in the child.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::Python;
use repo_core::{Error, ErrorKind, Result};
use repo_engine::Chosen;

/// Device and inode.
type Inode = (u64, u64);

/// The files that are open, each with the process that opened it. Locked only by
/// threads that hold the interpreter's lock, as the runtime is.
static OPEN: Mutex<Vec<(u32, Inode)>> = Mutex::new(Vec::new());

/// A SQLite file that this process has open, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenFile {
    process: u32,
    inode: Inode,
}

/// The file of a SQLite store; `None` for stores of any other kind.
pub(crate) fn sqlite_file(chosen: &Chosen) -> Option<PathBuf> {
    let kind = chosen.settings.get("type").and_then(serde_json::Value::as_str);
    let is_sqlite = match chosen.factory.name() {
        "sqlite" => true,
        "sql" => kind.unwrap_or("sqlite") == "sqlite",
        _ => false,
    };
    let name = chosen.settings.get("name").and_then(serde_json::Value::as_str);
    is_sqlite.then(|| PathBuf::from(name.unwrap_or("request_database.db")))
}

/// Refuses a file that a process had open from which this one was forked.
///
/// # Errors
/// `Unsupported` for such a file.
pub(crate) fn refuse_inherited(_attached: Python<'_>, file: &Path) -> Result<()> {
    let Some(inode) = inode(file) else { return Ok(()) };
    let here = std::process::id();
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    match open.iter().find(|(process, known)| *known == inode && *process != here) {
        None => Ok(()),
        Some((process, _)) => Err(Error::new(
            ErrorKind::Unsupported,
            "open",
            "the SQLite file was open when this process was forked, and its locks do not pass on",
        )
        .with("file", file.display())
        .with("opened_by", process)
        .with("process", here)
        .hint(
            "open the store after the fork, close it before, or start processes by the method \
             \"spawn\"",
        )),
    }
}

impl OpenFile {
    /// Remembers a file that was just opened.
    pub(crate) fn note(_attached: Python<'_>, file: &Path) -> Option<Self> {
        let (process, inode) = (std::process::id(), inode(file)?);
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).push((process, inode));
        Some(Self { process, inode })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let closed = (self.process, self.inode);
        Python::attach(|_| {
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = open.iter().position(|one| *one == closed) {
                open.swap_remove(at);
            }
        });
    }
}

fn inode(file: &Path) -> Option<Inode> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino()))
}
