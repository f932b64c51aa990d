//! What `scripts/services` keeps beside the server.

use std::process::Command;

const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services");

/// Starts a replica or a pooler of this name; its address.
///
/// # Panics
/// When it does not start: it is put beside the server that `scripts/services` started.
pub(super) async fn up(kind: &'static str, name: &str) -> String {
    run(kind, "up", name).await
}

/// Stops it as a failing machine would.
///
/// # Panics
/// When it does not stop.
pub(super) async fn down(kind: &'static str, name: &str) {
    run(kind, "down", name).await;
}

/// The same when a test is over.
pub(super) fn down_at_last(kind: &str, name: &str) {
    drop(Command::new(SERVICES).args([kind, "down", name]).output());
}

async fn run(kind: &'static str, what: &'static str, name: &str) -> String {
    let name = name.to_owned();
    let run = move || Command::new(SERVICES).args([kind, what, &name]).output();
    let done = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "scripts/services {kind} {what}: {said}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
