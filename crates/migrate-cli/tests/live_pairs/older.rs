//! A program of the layout before, which knows nothing of roles and routes: it makes the
//! source, and writes to it throughout. `scripts/live-pairs --older` builds one.

use std::process::{Command, Stdio};
use std::time::Duration;

use repo_testkit::Process;

use crate::cli_support::Place;

/// What it is acknowledged, one a line.
const NOTED: &str = "older/early.older";

/// Starts it where there is one that knows the store, and waits until it writes.
pub(crate) fn start(place: &Place, source: &str) -> Option<Process> {
    let program = std::env::var_os("REPO_LIVE_OLDER")?;
    assert!(source.starts_with("sqlite:") || source.starts_with("postgresql:"), "{source}");
    std::fs::create_dir(place.path("older")).unwrap();
    let mut command = Command::new(program);
    place.at_home(&mut command);
    command.args([source, "older"]).env("OLDER_GOES_ON", "1").stdout(Stdio::null());
    let mut older = Process::start(&mut command);
    while noted(place).is_empty() {
        older.still_runs();
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(older)
}

/// Ends it; what it was acknowledged, as the lines of a writer.
pub(crate) fn end(older: Option<Process>, place: &Place) -> Vec<String> {
    let Some(mut older) = older else { return Vec::new() };
    older.still_runs();
    older.kill();
    noted(place)
}

fn noted(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.path(NOTED)).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    // It does not note what it wrote.
    whole.map(|line| format!("wrote {line} ?")).collect()
}
