//! Where the archives of a command are, and where it prints.

use std::path::{Path, PathBuf};

use cli_output::output::Output;
use repo_core::Result;

/// What every command about archives starts from.
pub(super) struct Place<'a> {
    pub(super) output: Output,
    archives: &'a (dyn Fn(Option<&Path>) -> Result<PathBuf> + Sync),
}

impl<'a> Place<'a> {
    pub(super) fn new(
        output: Output,
        archives: &'a (dyn Fn(Option<&Path>) -> Result<PathBuf> + Sync),
    ) -> Self {
        Self { output, archives }
    }

    /// The one that is named, else the configured one.
    pub(super) fn archives(&self, named: Option<&Path>) -> Result<PathBuf> {
        (self.archives)(named)
    }
}
