//! A program of the layout before, which makes the store, and writes on while the store
//! is upgraded and its changes are captured. `scripts/feed-endurance --older` builds one.

use std::process::{Command, Stdio};
use std::time::Duration;

use repo_testkit::Process;

use crate::{Logs, told};

/// Starts it where there is one that knows the store, and waits until it writes.
pub(crate) async fn start(url: &str, logs: &Logs) -> Option<Process> {
    let program = told("REPO_ENDURANCE_OLDER")?;
    assert!(!url.starts_with("json:") && !url.starts_with("dynamodb:"), "{url} is not captured");
    let mut command = Command::new(program);
    let child = Process::start(command.arg(url).arg(&logs.0).stdout(Stdio::null()));
    while std::fs::metadata(logs.early().with_extension("older")).map_or(0, |log| log.len()) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(child)
}

/// Ends it. A store may refuse a program of the layout before, but not in silence.
pub(crate) fn end(mut child: Process, logs: &Logs) {
    match child.ended() {
        None => {
            child.kill();
            assert!(!oracle(logs).is_empty(), "it wrote nothing while changes were captured");
        }
        Some(ended) => {
            let why = std::fs::read_to_string(logs.refused()).unwrap_or_default();
            println!("the program of the layout before was refused: {why}");
            assert!(ended.success() && !why.is_empty(), "{ended}");
        }
    }
}

/// What it was acknowledged and has to be delivered; empty where there was none.
pub(crate) fn oracle(logs: &Logs) -> String {
    std::fs::read_to_string(logs.oracle().with_extension("older")).unwrap_or_default()
}
