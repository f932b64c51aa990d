//! A program of the layout before, which makes the store, and writes on while the store
//! is upgraded and its changes are captured. `scripts/feed-endurance --older` builds one.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Logs, told};

/// Starts it where there is one that knows the store, and waits until it writes.
pub(crate) async fn start(url: &str, logs: &Logs) -> Option<Child> {
    let program = told("REPO_ENDURANCE_OLDER")?;
    assert!(!url.starts_with("json:") && !url.starts_with("dynamodb:"), "{url} is not captured");
    let child = Command::new(program).arg(url).arg(&logs.0).stdout(Stdio::null()).spawn().unwrap();
    while std::fs::metadata(logs.early().with_extension("older")).map_or(0, |log| log.len()) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(child)
}

/// Ends it. A store may refuse a program of the layout before, but not in silence.
pub(crate) fn end(mut child: Child, logs: &Logs) {
    match child.try_wait().unwrap() {
        None => {
            child.kill().unwrap();
            child.wait().unwrap();
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
