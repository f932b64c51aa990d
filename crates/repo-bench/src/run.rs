//! One run: its folder, its rows, its report.

use repo_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

use crate::bench::{Bench, Options};
use crate::machine::Machine;
use crate::report::Report;
use crate::rows;

/// Measures the chosen rows.
///
/// # Errors
/// `ConfigInvalid` when a row needs a server that is not named; otherwise
/// those of the stores and drivers.
pub async fn run(options: Options) -> Result<Report> {
    let place = TempDir::with_prefix_in("repo-bench-", &options.folder).map_err(|source| {
        Error::new(ErrorKind::ConfigInvalid, "make a folder for the stores", source.to_string())
            .with("folder", options.folder.display())
            .hint("name a folder that exists and may be written with --folder")
            .caused_by(source)
    })?;
    let before = Machine::now(place.path());
    let mut bench = Bench { options, place, lines: Vec::new() };
    rows::run(&mut bench).await?;
    let load_after = Machine::now(bench.place.path()).load;
    Ok(Report { machine: before, load_after, lines: bench.lines })
}
