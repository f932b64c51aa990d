//! Memory of an open store, measured in a process of its own: an allocator that
//! worked before would blur it.

use std::path::Path;
use std::process::Command;

use repo_core::{Error, ErrorKind, Result};

use crate::errors;
use crate::ours;

/// Opens the JSON store in a folder and gives the bytes by which the resident
/// memory of this process grew.
///
/// # Errors
/// Those of opening; `Unsupported` where the system does not say.
pub async fn open_and_measure(folder: &Path) -> Result<u64> {
    let before = resident()?;
    let store = ours::open_json(folder, false).await?;
    let after = resident()?;
    store.close().await?;
    Ok(after.saturating_sub(before))
}

/// Bytes of memory that this process has now and that no file stands for: the
/// program's own code comes in while it opens its first store.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "measure memory", "this system has no /proc/self/status")
    })
}

/// The same in a child process.
pub(crate) fn memory_of_opening(program: &Path, folder: &Path) -> Result<u64> {
    let operation = "open a store in a child process";
    let failed = errors::raw(operation);
    let done = Command::new(program).arg("child-open").arg(folder).output().map_err(failed)?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    match said.parse() {
        Ok(bytes) if done.status.success() => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Unavailable, operation, "the child process failed")
            .with("status", done.status)
            .with("said", String::from_utf8_lossy(&done.stderr).trim())),
    }
}
