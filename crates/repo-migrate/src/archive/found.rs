//! What is found beside archives.

use std::path::PathBuf;

use repo_core::Error;

/// A folder with the name of an archive whose manifest cannot be read, or an
/// archive that does not hold what its manifest says.
#[derive(Debug)]
pub struct Damaged {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

/// A folder that never became an archive, or is no longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The folder.
    pub path: PathBuf,
    /// Whether somebody is at work on it right now.
    pub in_use: bool,
}
