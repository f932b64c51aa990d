//! The tool `repoctl` as an operator types it.

use std::path::PathBuf;
use std::process::{Command, Output};

use repo_blob::BlobDigest;
use serde_json::Value as Json;

use super::{Place, Server};

/// The tool, which stands beside the server where both are built. One of another build would
/// prove nothing, so there has to be one.
pub fn program() -> PathBuf {
    let repoctl = PathBuf::from(env!("CARGO_BIN_EXE_repo-server")).with_file_name("repoctl");
    assert!(
        repoctl.is_file(),
        "{} is not built: cargo nextest run --workspace --test cli --test suite builds both",
        repoctl.display()
    );
    repoctl
}

pub fn command(place: &Place, server: &str, line: &str) -> Command {
    let mut command = Command::new(program());
    command.current_dir(place.path(".")).env_clear();
    command.args(line.split_whitespace()).args(["--server", server]);
    command
}

pub fn repoctl(place: &Place, server: &Server, line: &str) -> Output {
    command(place, &server.base, &format!("data {line} --format json")).output().unwrap()
}

/// Runs a command that succeeds, and reads what it printed.
#[track_caller]
pub fn done(output: &Output) -> Json {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that fails: its code and the kind of its error.
#[track_caller]
pub fn failed(output: &Output) -> (i32, String) {
    let code = output.status.code().unwrap();
    assert_ne!(code, 0, "{output:?}");
    let told: Json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(!output.stderr.is_empty(), "{output:?}");
    (code, told["error"]["kind"].as_str().unwrap_or_default().to_owned())
}

pub fn write(place: &Place, name: &str, bytes: &[u8]) -> String {
    std::fs::write(place.path(name), bytes).unwrap();
    BlobDigest::of(bytes).sha256.to_string()
}
